import { Injectable } from '@nestjs/common';
import { Clock } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { CLAIM_SECONDS } from '../operation-claims';
import { moveRun, runError } from '../run-moves';
import { type ActiveRun, RunSettlement } from '../run-settlement';
import type { ReconcilerStep } from './step';

/** From when Prefect says that it has ended until we believe that its process will not say more, ms. */
const GRACE_MS = 15_000;
const PER_PASS = 20;

const ACTIVE = `
SELECT id, flow_run_id, status, created_at FROM sluice_control.run
WHERE status IN ('queued', 'running') AND flow_run_id IS NOT NULL AND id > $1 ORDER BY id LIMIT $2`;

const NEVER_SENT = `
SELECT id FROM sluice_control.run
WHERE status = 'queued' AND flow_run_id IS NULL AND created_at < now() - make_interval(secs => $1)
ORDER BY created_at, id LIMIT $2`;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Runs whose flow run has ended or vanished in Prefect while their row has not: their process is gone. */
@Injectable()
export class LostRuns implements ReconcilerStep {
  readonly name = 'lost runs';
  /** When a run was first seen ended. In memory: whoever leads next only gives more grace. */
  private seenEnded = new Map<string, number>();
  /** Where the last pass stopped, so that many long runs do not hide the others. */
  private after = FIRST_ID;

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly settlement: RunSettlement,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<string[]> {
    const done = await this.endNeverSent();
    if (!this.gateway.initialized) return done;
    const runs = await rowsOf<ActiveRun & { flow_run_id: string }>(this.dataSource, ACTIVE, [this.after, PER_PASS]);
    this.after = runs.length < PER_PASS ? FIRST_ID : (runs.at(-1)?.id ?? FIRST_ID);
    for (const run of runs) done.push(...(await this.look(run)));
    return done;
  }

  private async look(run: ActiveRun & { flow_run_id: string }): Promise<string[]> {
    const end = await this.settlement.findEnded(run.flow_run_id);
    if (!end) {
      this.seenEnded.delete(run.id);
      return [];
    }
    if (!this.graceIsOver(run.id)) return [];
    this.seenEnded.delete(run.id);
    return (await this.settlement.settle(run, end)) ? [`Ended run ${run.id} as ${end.status}: ${end.because}`] : [];
  }

  private graceIsOver(runId: string): boolean {
    const now = this.clock.now().getTime();
    const since = this.seenEnded.get(runId) ?? now;
    this.seenEnded.set(runId, since);
    return now - since >= GRACE_MS;
  }

  /** The API died between the row and the flow run. */
  private async endNeverSent(): Promise<string[]> {
    const runs = await rowsOf<{ id: string }>(this.dataSource, NEVER_SENT, [CLAIM_SECONDS, PER_PASS]);
    const errors = [runError('NeverSent', 'It was never handed to Prefect.', true)];
    const moved = await Promise.all(
      runs.map(({ id }) => moveRun(this.dataSource, id, { from: 'queued', to: 'failed', errors })),
    );
    return runs
      .filter((_, index) => moved[index])
      .map(({ id }) => `Ended run ${id} as failed: it was never handed to Prefect`);
  }
}
