import { Injectable } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { Alarm } from './alarm';
import { WholeComparison } from './comparison';
import type { Drift } from './drift';
import { DriftRecord } from './drift-record';
import { DriftRepair } from './drift-repair';

export interface DriftReport {
  drifts: Drift[];
  /** Of which `drifts` are the first 1,000. */
  total: number;
  /** How many deployments in Prefect are ours. */
  deployments: number;
  /** `since`: when it was first noted, by the reconciler or by hand; `null`: by nobody yet. */
  alarm: (Alarm & { since: Date | null }) | null;
}

export interface ReconcileReport extends DriftReport {
  /** A sentence for each thing done; empty in a dry run. */
  done: string[];
}

/** What a person can ask of the reconciler. Every ingestion is claimed while it is repaired, so this and the leader's own pass do not meet. */
@Injectable()
export class Reconciliation {
  constructor(
    private readonly gateway: OrchestrationGateway,
    private readonly comparison: WholeComparison,
    private readonly record: DriftRecord,
    private readonly repair: DriftRepair,
  ) {}

  /** Changes nothing. Errors: `OrchestrationUnavailable`. */
  async look(): Promise<DriftReport> {
    this.gateway.assertInitialized();
    const { alarm, ...found } = await this.comparison.run(await this.record.forced());
    return { ...found, alarm: alarm && { ...alarm, since: await this.record.alarmSince() } };
  }

  /**
   * Compares, notes what differs and mends a few of each kind; what is left is mended by the leader's passes or by the next call. An orphan goes
   * when it was first seen at least 20 s ago. `force`: removals happen although the alarm is on. Errors: `OrchestrationUnavailable`.
   */
  async reconcile({ dryRun, force }: { dryRun: boolean; force: boolean }): Promise<ReconcileReport> {
    if (dryRun) return { ...(await this.look()), done: [] };
    this.gateway.assertInitialized();
    const found = await this.comparison.run(await this.record.forced());
    const news = await this.record.keep(found, force);
    const since = found.alarm ? await this.record.alarmSince() : null;
    const done = await this.repair.run();
    return { ...found, alarm: found.alarm && { ...found.alarm, since }, done: [...news, ...done] };
  }
}
