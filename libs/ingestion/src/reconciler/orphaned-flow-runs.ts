import { Inject, Injectable } from '@nestjs/common';
import { Clock, CONFIG, type Config } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { type FlowRun, type FlowRunOutcome, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import type { RunStatus } from '../types';
import { Sightings } from './sightings';
import { type ReconcilerStep, untilStopped } from './step';

const PER_PASS = 20;
/** As long as a process tries to tell Prefect how its run ended. */
const TELLING_SECONDS = 60;

const RUNS = `
SELECT DISTINCT ON (flow_run_id) flow_run_id, id, status, heartbeat_at IS NOT NULL OR status = 'running' AS entered,
  coalesce(ended_at < now() - make_interval(secs => $2), false) AS told
FROM sluice_control.run WHERE flow_run_id = ANY ($1)
ORDER BY flow_run_id, (ended_at IS NULL) DESC, created_at DESC, id DESC`;

const OURS = `SELECT id FROM sluice_control.ingestion WHERE id = ANY ($1)`;

interface KnownRun {
  flow_run_id: string;
  id: string;
  status: RunStatus;
  entered: boolean;
  /** It ended so long ago that its process would have told Prefect by now. */
  told: boolean;
}

interface Verdict {
  outcome: FlowRunOutcome;
  because: string;
}

/**
 * Flow runs that a worker has claimed and nobody will end: its process never came (the worker died), or it ended its run and died before it told
 * Prefect. They would stay PENDING or RUNNING for ever. Only those of ingestions that we have; of a deleted one what is being cancelled in our pool.
 */
@Injectable()
export class OrphanedFlowRuns implements ReconcilerStep {
  readonly name = 'orphaned flow runs';
  private readonly sightings = new Sightings();

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const claimed = await this.gateway.claimedFlowRuns();
    const ages = this.sightings.look(
      claimed.map(({ id, phase }) => [id, phase] as const),
      this.clock.elapsed(),
    );
    const old = claimed.filter(({ id }) => (ages.get(id) ?? 0) >= this.config.SLUICE_START_SECONDS * 1000);
    return old.length === 0 ? [] : this.endAmong(old, stop);
  }

  private async endAmong(old: readonly FlowRun[], stop?: AbortSignal): Promise<string[]> {
    const ids = old.map(({ id }) => id);
    const runs = await rowsOf<KnownRun>(this.dataSource, RUNS, [ids, TELLING_SECONDS]);
    const runOf = new Map(runs.map((run) => [run.flow_run_id, run]));
    const ours = await this.ours(old);
    const orphans = old.flatMap((flowRun) => {
      const verdict = this.verdictOn(flowRun, runOf.get(flowRun.id), ours);
      return verdict ? [{ flowRun, ...verdict }] : [];
    });
    const done: string[] = [];
    for (const { flowRun, outcome, because } of untilStopped(orphans.slice(0, PER_PASS), stop)) {
      const phase = await this.gateway.endFlowRun(flowRun.id, outcome, because);
      done.push(`Ended flow run ${flowRun.id} as ${phase ?? 'gone'}: ${because}`);
    }
    return done;
  }

  private async ours(flowRuns: readonly FlowRun[]): Promise<ReadonlySet<string>> {
    const ids = flowRuns.flatMap(({ parameters: { ingestionId } }) => (isUuid(ingestionId) ? [ingestionId] : []));
    return new Set((await rowsOf<{ id: string }>(this.dataSource, OURS, [ids])).map(({ id }) => id));
  }

  private verdictOn(flowRun: FlowRun, run: KnownRun | undefined, ours: ReadonlySet<string>): Verdict | null {
    if (run) return verdictOnRun(flowRun, run);
    if (ours.has(flowRun.parameters.ingestionId ?? '')) return NOBODY_CAME;
    const isOurs = flowRun.workPool === this.config.PREFECT_WORK_POOL;
    return isOurs && flowRun.phase === 'cancelling' ? NOBODY_CANCELS : null;
  }
}

/** One whose process has entered is watched by its heartbeat. A flow run that is pending again after its run ended is a repetition that never began. */
function verdictOnRun({ phase }: FlowRun, { id, status, entered, told }: KnownRun): Verdict | null {
  if (status === 'queued' || status === 'running') return entered ? null : NOBODY_CAME;
  if (!told) return null;
  if (phase === 'pending') return NOBODY_CAME;
  return { outcome: status, because: `Run ${id} has ended (${status}), and its process did not tell Prefect.` };
}

const NOBODY_CAME: Verdict = { outcome: 'crashed', because: 'A worker has taken it, but its process never came.' };
const NOBODY_CANCELS: Verdict = {
  outcome: 'cancelled',
  because: 'Its ingestion was deleted, and its process is gone.',
};

function isUuid(id: string | null): id is string {
  return id !== null && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
}
