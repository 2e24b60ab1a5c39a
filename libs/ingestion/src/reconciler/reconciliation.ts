import { Injectable } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { Alarm } from './alarm';
import { type Comparison, WholeComparison } from './comparison';
import { type Drift, GUARDED } from './drift';
import { DriftRecord } from './drift-record';
import { DriftRepair } from './drift-repair';

export interface DriftReport {
  drifts: Drift[];
  /** Of which `drifts` are the first 1,000 that are acted on, and the first 1,000 of the others. */
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

  /** Changes nothing. `force`: what would be done by force. Errors: `OrchestrationUnavailable`. */
  async look(force = false): Promise<DriftReport> {
    this.gateway.assertInitialized();
    const forced = await this.record.forced();
    return this.reported(await this.comparison.run(forced), force ? null : forced);
  }

  /**
   * Compares, notes what differs and mends a few of each kind; what is left is mended by the leader's passes or by the next call. An orphan goes
   * when it was first seen at least 20 s ago. `force`: removals happen although the alarm is on. Errors: `OrchestrationUnavailable`.
   */
  async reconcile({ dryRun, force }: { dryRun: boolean; force: boolean }): Promise<ReconcileReport> {
    if (dryRun) return { ...(await this.look(force)), done: [] };
    this.gateway.assertInitialized();
    const forced = await this.record.forced();
    const found = await this.comparison.run(forced);
    const news = await this.record.keep(found, force);
    const report = await this.reported(found, force ? null : forced);
    return { ...report, done: [...news, ...(await this.repair.run())] };
  }

  /** `forced`: the only ones that are removed in spite of the alarm; `null`: all are. */
  private async reported(found: Comparison, forced: ReadonlySet<string> | null): Promise<DriftReport> {
    const { drifts, total, deployments, alarm } = found;
    const isHeldBack = ({ kind, deploymentId }: Drift) =>
      alarm !== null && forced !== null && GUARDED.has(kind) && !forced.has(deploymentId ?? '');
    return {
      ...{ total, deployments },
      drifts: drifts.map((drift) => (isHeldBack(drift) ? { ...drift, action: 'none' } : drift)),
      alarm: alarm && { ...alarm, since: await this.record.alarmSince() },
    };
  }
}
