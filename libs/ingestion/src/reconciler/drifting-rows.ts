import { Injectable } from '@nestjs/common';
import { ValueError } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { type DeploymentSpec, type HeldDeployment, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { deploymentSpec } from '../deployment-steps';
import type { IngestionRow } from '../ingestion.entity';
import type { Drift } from './drift';

/** As many deployments as Prefect is asked for at once. */
const PAGE = 50;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

type Row = Pick<IngestionRow, 'id' | 'name' | 'status' | 'schedule' | 'prefect_deployment_id' | 'updated_at'>;

/** Those with an operation under way differ for a good reason. */
const SCHEDULED = `
SELECT id, name, status, schedule, prefect_deployment_id, updated_at FROM sluice_control.ingestion
WHERE id > $1 AND schedule IS NOT NULL AND status <> 'provisioning' AND operation_id IS NULL ORDER BY id LIMIT $2`;

const STILL_SO = `
SELECT i.id FROM sluice_control.ingestion i
JOIN unnest($1::uuid[], $2::timestamptz[]) AS seen (id, updated_at) ON i.id = seen.id AND i.updated_at = seen.updated_at
WHERE i.operation_id IS NULL`;

/** Ingestions with a schedule whose deployment is missing or is not as they say. Writes nothing. */
@Injectable()
export class DriftingRows {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  async *pages(): AsyncGenerator<Drift[]> {
    for (let after = FIRST_ID; ;) {
      const rows = await rowsOf<Row>(this.dataSource, SCHEDULED, [after, PAGE]);
      yield await this.compare(rows);
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last.id;
    }
  }

  private async compare(rows: readonly Row[]): Promise<Drift[]> {
    const held = new Map(
      (await this.gateway.deploymentsOf(rows.map(({ id }) => id))).map((it) => [it.ingestionId, it]),
    );
    const drifting = rows.flatMap((row) => {
      const drift = judge(row, held.get(row.id));
      return drift ? [{ row, drift }] : [];
    });
    const still = await this.unchanged(drifting.map(({ row }) => row));
    return drifting.filter(({ row }) => still.has(row.id)).map(({ drift }) => drift);
  }

  /** What was changed between the reading of the row and that of its deployment proves nothing. */
  private async unchanged(rows: readonly Row[]): Promise<Set<string>> {
    if (rows.length === 0) return new Set();
    const seen = [rows.map(({ id }) => id), rows.map((row) => row.updated_at)];
    return new Set((await rowsOf<{ id: string }>(this.dataSource, STILL_SO, seen)).map(({ id }) => id));
  }
}

function judge(row: Row, held: HeldDeployment | undefined): Drift | null {
  const of = { ingestionId: row.id, deploymentId: held?.id ?? row.prefect_deployment_id };
  const spec = specOf(row);
  if (spec instanceof ValueError) return { ...of, ...unreadable(row, spec) };
  if (held?.owner === 'other') return { ...of, ...otherInstallation(row) };
  if (row.prefect_deployment_id === null) return { ...of, ...notDeployed(row, spec) };
  if (!held) return { ...of, ...missing(row, spec) };
  return differing(row, held, spec);
}

function differing(row: Row, held: HeldDeployment, spec: DeploymentSpec): Drift | null {
  const of = { ingestionId: row.id, deploymentId: held.id };
  const all = held.differences(spec);
  const [expected, found] = (['expected', 'found'] as const).map((side) =>
    Object.fromEntries(all.map((it) => [it.field, it[side]])),
  ) as [Record<string, unknown>, Record<string, unknown>];
  if (held.id !== row.prefect_deployment_id)
    return {
      ...{ ...of, kind: 'another_deployment', action: 'record' },
      expected: { deployment_id: row.prefect_deployment_id, ...expected },
      found: { deployment_id: held.id, ...found },
      message: `The deployment of ingestion ${row.id} was made again and has another id.`,
    };
  if (all.length === 0) return null;
  const message = `The deployment of ingestion ${row.id} is not as the ingestion says: ${all.map(({ field }) => field).join(', ')}.`;
  return { ...of, kind: 'different', action: 'change', expected, found, message };
}

/** Schedules of an older system may be none for us. */
function specOf(row: Row): DeploymentSpec | ValueError {
  try {
    return deploymentSpec(row);
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
}

type Judgement = Omit<Drift, 'ingestionId' | 'deploymentId'>;

function missing({ id }: Row, { timetable, paused }: DeploymentSpec): Judgement {
  const message = `The deployment of ingestion ${id} is missing in Prefect.`;
  return { kind: 'missing', action: 'create', expected: { timetable, paused }, found: null, message };
}

function notDeployed({ id }: Row, { timetable, paused }: DeploymentSpec): Judgement {
  const message = `Ingestion ${id} has a schedule and never had a deployment. npm run deployments:backfill makes it.`;
  return { kind: 'not_deployed', action: 'backfill', expected: { timetable, paused }, found: null, message };
}

function otherInstallation({ id }: Row): Judgement {
  const message = `The deployment of ingestion ${id} is marked as that of another installation, and is left alone. If it is ours, set sluice_control.installation.id to the id in its tag.`;
  return { kind: 'other_installation', action: 'none', expected: null, found: null, message };
}

function unreadable({ id }: Row, error: ValueError): Judgement {
  const message = `The stored schedule of ingestion ${id} cannot be used, its deployment is left alone: ${error.message}`;
  return { kind: 'unreadable', action: 'none', expected: null, found: null, message };
}
