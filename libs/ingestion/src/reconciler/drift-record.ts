import { Injectable } from '@nestjs/common';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { Events } from '../events/events';
import type { Alarm } from './alarm';
import { type Comparison, LISTED } from './comparison';
import { type Drift, type DriftKind, REPAIRED } from './drift';

const SUSPECT = `
UPDATE sluice_control.ingestion SET drift_suspected = true WHERE id = ANY ($1) AND NOT drift_suspected RETURNING id`;

const SEEN = `
INSERT INTO sluice_control.orphan (deployment_id, ingestion_id, forced)
SELECT deployment_id, ingestion_id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS o (deployment_id, ingestion_id)
ON CONFLICT (deployment_id) DO UPDATE SET last_seen_at = now(), forced = orphan.forced OR excluded.forced
RETURNING ingestion_id, xmax = 0 AS is_new`;

const NOT_SEEN = `DELETE FROM sluice_control.orphan WHERE NOT deployment_id = ANY ($1)`;

const RAISE = `UPDATE sluice_control.installation SET alarm = $1, alarm_since = now() WHERE alarm IS NULL RETURNING id`;
const KEEP = `UPDATE sluice_control.installation SET alarm = $1 WHERE alarm <> $1`;
const LOWER = `UPDATE sluice_control.installation SET alarm = NULL, alarm_since = NULL WHERE alarm IS NOT NULL`;

const FORCED = `SELECT deployment_id FROM sluice_control.orphan WHERE forced LIMIT ${LISTED}`;
const SINCE = `SELECT alarm_since FROM sluice_control.installation WHERE alarm IS NOT NULL`;

/** What of a comparison is to be acted on, kept for the steps that do it a few at a time. */
@Injectable()
export class DriftRecord {
  constructor(
    private readonly dataSource: DataSource,
    private readonly events: Events,
  ) {}

  /** Orphans that a person has condemned. */
  async forced(): Promise<Set<string>> {
    const rows = await rowsOf<{ deployment_id: string }>(this.dataSource, FORCED);
    return new Set(rows.map((row) => row.deployment_id));
  }

  /** Since when the alarm has been on; `null`: it is not. */
  async alarmSince(): Promise<Date | null> {
    const [row] = await rowsOf<{ alarm_since: Date }>(this.dataSource, SINCE);
    return row?.alarm_since ?? null;
  }

  /** `force`: a person says that removals may happen, whatever the alarm says. Resolves with a sentence for each thing that is news. */
  keep({ drifts, isWhole, alarm }: Comparison, force: boolean): Promise<string[]> {
    const overruled = force && alarm?.reason === 'many_removals';
    return this.dataSource.transaction(async (tx) => {
      const news = await this.keepAlarm(tx, overruled ? null : alarm);
      await suspect(
        tx,
        drifts.filter(({ kind }) => REPAIRED.has(kind)),
      );
      if (!alarm || overruled) await suspect(tx, of(drifts, 'unscheduled'));
      return [...news, ...(await keepOrphans(tx, of(drifts, 'orphan'), { force, isWhole }))];
    });
  }

  /** Told once, when it begins. */
  private async keepAlarm(tx: SqlRunner, alarm: Alarm | null): Promise<string[]> {
    if (!alarm) {
      await tx.query(LOWER);
      return [];
    }
    const { reason, deployments, message } = alarm;
    if ((await rowsOf(tx, RAISE, [message])).length === 0) {
      await tx.query(KEEP, [message]);
      return [];
    }
    await this.events.record(tx, { kind: 'drift_alarm', ingestionId: null, message, facts: { reason, deployments } });
    return [message];
  }
}

async function suspect(tx: SqlRunner, drifts: readonly Drift[]): Promise<void> {
  if (drifts.length > 0) await tx.query(SUSPECT, [drifts.map(({ ingestionId }) => ingestionId)]);
}

/** One that is not seen any more is forgotten, unless the list may not hold all. */
async function keepOrphans(
  tx: SqlRunner,
  orphans: readonly Drift[],
  { force, isWhole }: { force: boolean; isWhole: boolean },
): Promise<string[]> {
  const [deployments, ingestions] = [orphans.map((it) => it.deploymentId), orphans.map((it) => it.ingestionId)];
  if (isWhole) await tx.query(NOT_SEEN, [deployments]);
  const rows = await rowsOf<{ ingestion_id: string; is_new: boolean }>(tx, SEEN, [deployments, ingestions, force]);
  return rows
    .filter((row) => row.is_new)
    .map((row) => `Found a deployment without an ingestion, ingestion-${row.ingestion_id}`);
}

function of(drifts: readonly Drift[], kind: DriftKind): Drift[] {
  return drifts.filter((it) => it.kind === kind);
}
