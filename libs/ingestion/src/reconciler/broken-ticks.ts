import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { type FlowRun, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource, type EntityManager } from 'typeorm';
import { LOAD_ALL, moveRun, NO_METRICS, runError } from '../runs/run-moves';
import { endOf } from '../runs/run-settlement';
import { Sightings } from './sightings';
import type { ReconcilerStep } from './step';

/** What broke before that is looked for no more, ms. */
const LOOK_BACK_MS = 3_600_000;
/** What a pass reads again of the time of the pass before, ms: it is the worker's clock that says when a flow run ended. */
const OVERLAP_MS = 60_000;
/** A worker that lost sight of a process says that it crashed: so long it may still enter, ms. */
const GRACE_MS = 15_000;
const PER_PASS = 20;

const KNOWN = `SELECT flow_run_id FROM sluice_control.run WHERE flow_run_id = ANY ($1)`;

/** The ingestion is locked before its run, as who deletes an ingestion locks them. */
const RECORD = `
WITH owner AS (
  SELECT id FROM sluice_control.ingestion WHERE id::text = $2 AND prefect_deployment_id = $4 FOR NO KEY UPDATE
)
INSERT INTO sluice_control.run (id, ingestion_id, flow_run_id, trigger, parameters, status, metrics, planned_at)
SELECT $1, owner.id, $3::uuid, 'scheduled', $6, 'queued', $7, $5::timestamptz FROM owner
WHERE NOT EXISTS (
  SELECT FROM sluice_control.run r WHERE r.flow_run_id = $3 OR r.ingestion_id = owner.id AND r.planned_at = $5)
ON CONFLICT DO NOTHING RETURNING id`;

/**
 * Ticks whose process never came: its image or its settings are broken, and Prefect alone knows of it. Each becomes a run that has crashed, so that
 * it is seen, counts among the failures in a row, and is told of.
 */
@Injectable()
export class BrokenTicks implements ReconcilerStep {
  readonly name = 'broken ticks';
  private readonly sightings = new Sightings();
  /** Found in Prefect, and in no run of ours yet. */
  private open = new Map<string, FlowRun>();
  /** When the last reading that was kept began; `null`: who leads anew reads all. */
  private readAt: Date | null = null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    await this.read();
    const ages = this.sightings.look(
      [...this.open].map(([id, { phase }]) => [id, phase] as const),
      this.clock.elapsed(),
    );
    const due = [...this.open.keys()].filter((id) => (ages.get(id) ?? 0) >= GRACE_MS);
    return this.recordAll(due.slice(0, PER_PASS));
  }

  private async read(): Promise<void> {
    const now = this.clock.now();
    const since = Math.max(now.getTime() - LOOK_BACK_MS, (this.readAt?.getTime() ?? 0) - OVERLAP_MS);
    for (const flowRun of await this.gateway.brokenTicks(new Date(since))) this.open.set(flowRun.id, flowRun);
    this.open = new Map((await this.unknown([...this.open.values()])).map((flowRun) => [flowRun.id, flowRun]));
    this.readAt = now;
  }

  /** As Prefect has them now: somebody may have put one back since it was read. */
  private async recordAll(ids: readonly string[]): Promise<string[]> {
    const done: string[] = [];
    const found = ids.length === 0 ? new Map<string, FlowRun>() : await this.gateway.readFlowRuns(ids);
    for (const id of ids) {
      const flowRun = found.get(id);
      if (flowRun) done.push(...(await this.record(flowRun)));
      this.open.delete(id);
    }
    return done;
  }

  private async unknown(flowRuns: readonly FlowRun[]): Promise<FlowRun[]> {
    if (flowRuns.length === 0) return [];
    const rows = await rowsOf<{ flow_run_id: string }>(this.dataSource, KNOWN, [flowRuns.map(({ id }) => id)]);
    const known = new Set(rows.map(({ flow_run_id }) => flow_run_id));
    return flowRuns.filter(({ id }) => !known.has(id));
  }

  private async record(flowRun: FlowRun): Promise<string[]> {
    const end = endOf(flowRun.phase, flowRun.message);
    if (!end) return [];
    const runId = await this.dataSource.transaction((tx) => this.crash(tx, flowRun, end.because));
    return runId === null ? [] : [`Ended run ${runId} as crashed: ${end.because}`];
  }

  private async crash(tx: EntityManager, flowRun: FlowRun, because: string): Promise<string | null> {
    const { id, deploymentId, expectedStartAt, parameters } = flowRun;
    const json = [JSON.stringify(LOAD_ALL), JSON.stringify(NO_METRICS)];
    const values = [randomUUID(), parameters.ingestionId, id, deploymentId, expectedStartAt, ...json];
    const [made] = await rowsOf<{ id: string }>(tx, RECORD, values);
    if (!made) return null;
    const errors = [runError('FlowRunEnded', because, true)];
    await moveRun(tx, made.id, { from: 'queued', to: 'crashed', errors });
    return made.id;
  }
}
