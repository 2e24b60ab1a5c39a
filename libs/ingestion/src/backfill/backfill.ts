import { Injectable } from '@nestjs/common';
import { Clock, Conflict, IngestionNotFound, OrchestrationUnavailable } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { deploymentSpec } from '../deployment-steps';
import { messageOf } from '../faults';
import type { IngestionRow } from '../ingestion.entity';
import { CLAIM_SECONDS, type Claim, OperationClaims } from '../operation-claims';
import { Outage } from './outage';

const PAGE = 100;
/** Prefect makes no more of them faster than a few at once. */
const AT_ONCE = 4;
const BUSY_PAUSE_MS = 5_000;
/** A process that died holds its claim so long. */
const BUSY_PATIENCE_MS = (CLAIM_SECONDS + 10) * 1_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

const WITHOUT = `schedule IS NOT NULL AND prefect_deployment_id IS NULL AND status <> 'provisioning'`;
const COUNT = `SELECT count(*)::integer AS count FROM sluice_control.ingestion WHERE ${WITHOUT}`;
const NEXT = `SELECT id, name FROM sluice_control.ingestion WHERE id > $1 AND ${WITHOUT} ORDER BY id LIMIT $2`;

export interface BackfillOptions {
  /** Only says what would be made. */
  dryRun: boolean;
  /** How long an outage of Prefect is waited out before all is given up, ms. */
  patienceMs: number;
  /** Told of each ingestion, in the order in which they are done. */
  onStep: (step: BackfillStep, progress: { done: number; total: number; failed: number }) => void;
  /** Ends it before the next ingestion. */
  signal?: AbortSignal;
}

export interface BackfillStep {
  id: string;
  name: string;
  /** `would_make`: in a dry run. `needless`: somebody else made it, or took the schedule or the ingestion away. */
  outcome: 'made' | 'would_make' | 'needless' | 'failed';
  /** Why it failed, else null. */
  reason: string | null;
}

export interface BackfillReport {
  /** Scheduled ingestions without a deployment when it began. */
  total: number;
  made: number;
  needless: number;
  failed: BackfillStep[];
  /** Ingestions it did not come to, because `stopped`. */
  left: number;
  stopped: 'outage' | 'signal' | null;
  /** What Prefect's absence was, when `stopped` is `outage`. */
  reason: string | null;
}

type Item = Pick<BackfillStep, 'id' | 'name'>;

/**
 * Makes the deployments of ingestions that have a schedule and never had one, as rows of an older system are. A draft becomes active, what is paused
 * stays paused. Each is claimed, so that it never meets another operation. Repeatable: what is made is not looked at again.
 */
@Injectable()
export class Backfill {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly clock: Clock,
  ) {}

  /** Rejects only when the control database cannot be used. */
  async run(options: BackfillOptions): Promise<BackfillReport> {
    const [counted] = await rowsOf<{ count: number }>(this.dataSource, COUNT);
    const work = new BackfillRun(counted?.count ?? 0, options, new Outage(this.clock, options.patienceMs));
    for (let after = FIRST_ID; !work.isStopped;) {
      const page = await rowsOf<Item>(this.dataSource, NEXT, [after, PAGE]);
      if (page.length === 0) break;
      await this.takeAll(work, page);
      after = page.at(-1)?.id ?? after;
    }
    await this.takeBusy(work);
    return work.report();
  }

  private async takeAll(work: BackfillRun, page: readonly Item[]): Promise<void> {
    const queue = [...page];
    const worker = async () => {
      for (let item = queue.shift(); item && !work.isStopped; item = queue.shift()) await this.take(work, item);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Those that somebody else was working on, until a dead process's claims have expired. */
  private async takeBusy(work: BackfillRun): Promise<void> {
    const end = this.clock.elapsed() + BUSY_PATIENCE_MS;
    while (work.busy.length > 0 && !work.isStopped && this.clock.elapsed() < end) {
      await this.clock.sleep(BUSY_PAUSE_MS, work.options.signal).catch(() => undefined);
      await this.takeAll(work, work.busy.splice(0));
    }
    for (const item of work.busy.splice(0)) work.failed(item, 'another operation on it is under way');
  }

  private async take(work: BackfillRun, item: Item): Promise<void> {
    if (work.options.dryRun) {
      work.done(item, 'would_make');
      return;
    }
    try {
      const made = await work.outage.waitOut(() => this.make(item.id), work.options.signal);
      work.done(item, made ? 'made' : 'needless');
    } catch (error) {
      if (error instanceof IngestionNotFound) work.done(item, 'needless');
      else if (error instanceof Conflict) work.busy.push(item);
      else if (error instanceof OrchestrationUnavailable) work.giveUp(error);
      else work.failed(item, messageOf(error));
    }
  }

  private make(id: string): Promise<boolean> {
    return this.claims.hold(id, 'repair', (claim) => this.underClaim(claim));
  }

  private async underClaim(claim: Claim): Promise<boolean> {
    const { row } = claim;
    if (!row.schedule || row.prefect_deployment_id) return false;
    const status = row.status === 'draft' ? 'active' : row.status;
    const deployment = await this.gateway
      .upsertDeployment(deploymentSpec({ ...row, status }))
      .catch((error: unknown) => {
        claim.driftSuspected = true;
        throw error;
      });
    const saved = await this.save(claim, { prefect_deployment_id: deployment.id, status });
    if (!saved) throw await this.claims.whyNot(row.id);
    return true;
  }

  /** A deployment whose row does not know of it is removed by the reconciler. */
  private async save(claim: Claim, changes: Partial<IngestionRow>): Promise<IngestionRow | null> {
    claim.driftSuspected = true;
    const row = await this.claims.save(claim, changes);
    claim.driftSuspected = row === null;
    return row;
  }
}

/** What one run of it has done. */
class BackfillRun {
  /** Held by another operation when we came. */
  readonly busy: Item[] = [];
  private readonly failures: BackfillStep[] = [];
  private made = 0;
  private needless = 0;
  private outageReason: string | null = null;

  constructor(
    private readonly total: number,
    readonly options: BackfillOptions,
    readonly outage: Outage,
  ) {}

  get isStopped(): boolean {
    return this.outageReason !== null || this.options.signal?.aborted === true;
  }

  done(item: Item, outcome: 'made' | 'would_make' | 'needless'): void {
    if (outcome === 'needless') this.needless += 1;
    else this.made += 1;
    this.tell({ ...item, outcome, reason: null });
  }

  failed(item: Item, reason: string): void {
    const step: BackfillStep = { ...item, outcome: 'failed', reason };
    this.failures.push(step);
    this.tell(step);
  }

  giveUp(error: OrchestrationUnavailable): void {
    this.outageReason ??= `${error.reason}: ${error.message}`;
  }

  report(): BackfillReport {
    const { total, made, needless, failures: failed, outageReason: reason } = this;
    const left = Math.max(0, total - made - needless - failed.length);
    const stopped = reason !== null ? 'outage' : this.isStopped ? 'signal' : null;
    return { total, made, needless, failed, left, stopped, reason };
  }

  private tell(step: BackfillStep): void {
    const done = this.made + this.needless + this.failures.length;
    this.options.onStep(step, { done, total: Math.max(this.total, done), failed: this.failures.length });
  }
}
