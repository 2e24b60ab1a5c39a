import { randomUUID } from 'node:crypto';
import { IngestionNotFound } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { isOrphan } from '../faults';
import type { RunRow } from './run.entity';
import { hasEnded, LOAD_ALL, NO_METRICS } from './run-moves';
import type { RunParameters, RunStatus, RunTrigger } from '../types';

export interface Entry {
  ingestionId: string;
  flowRunId: string;
  runId: string | null;
  scheduled: boolean;
  /** The tick of the timetable; only with `scheduled`. */
  plannedAt?: Date | null;
  /** It was made in place of a flow run that crashed before its process entered; default false. */
  instead?: boolean;
  /** It was made for the run it names, and does not bear its parameters as a copy; default false. */
  ofItsRun?: boolean;
}

export interface Entered {
  id: string;
  status: RunStatus;
  startedAt: Date | null;
  parameters: RunParameters;
  /** The run, or its tick's, is another flow run's: this one has nothing to do. */
  taken: boolean;
}

type Found = Pick<RunRow, 'id' | 'status' | 'started_at' | 'parameters'>;

/** The row a flow run belongs to; it is made when there is none, or when Prefect runs again what had ended. */
export async function enterRun(sql: SqlRunner, entry: Entry): Promise<Entered> {
  const named = entry.runId ? await claimNamed(sql, entry, entry.runId) : null;
  const found = (await newestOf(sql, entry)) ?? named;
  if (found && !runsAgain(found)) return entered(found);
  const elsewhere = !found && (entry.instead || entry.ofItsRun) ? await namedRun(sql, entry) : null;
  if (elsewhere) return { ...entered(elsewhere), taken: true };
  await insert(sql, entry, found ? 'retry' : entry.scheduled ? 'scheduled' : 'manual', found);
  const made = await newestOf(sql, entry);
  if (made) return entered(made);
  const other = await runOfTick(sql, entry);
  if (!other) throw new IngestionNotFound(entry.ingestionId);
  return { ...entered(other), taken: true };
}

/**
 * Ended, and taken up again by Prefect (a retry in its UI, a crash before the start). What was failed or cancelled before it
 * started is not: the API has promised that it will not run.
 */
function runsAgain(run: Found): boolean {
  if (!hasEnded(run.status)) return false;
  return run.started_at !== null || run.status === 'crashed' || run.status === 'skipped';
}

/** A rebuild only runs when the API was asked for it: whether the table is its ingestion's alone is not asked here. */
function repeatable(found: Found | null): RunParameters {
  return found === null || found.parameters.kind === 'refresh' ? LOAD_ALL : found.parameters;
}

/**
 * The row the API made for this flow run; `null` when it belongs to another flow run (somebody copied the parameters). The heartbeat says that a
 * process has entered: from then on no other flow run can be made in its place.
 */
async function claimNamed(sql: SqlRunner, entry: Entry, runId: string): Promise<Found | null> {
  const [row] = await rowsOf<Found>(
    sql,
    `UPDATE sluice_control.run SET flow_run_id = $3, heartbeat_at = CASE WHEN status = 'queued' THEN now() ELSE heartbeat_at END
     WHERE id = $1 AND ingestion_id = $2
       AND (flow_run_id IS NULL OR flow_run_id = $3 OR $4 AND status = 'queued' AND heartbeat_at IS NULL)
     RETURNING id, status, started_at, parameters`,
    [runId, entry.ingestionId, entry.flowRunId, entry.instead ?? false],
  );
  return row ?? null;
}

/** The run this flow run was made for, but which the other one's process has by now, or which has ended. */
async function namedRun(sql: SqlRunner, { runId, ingestionId }: Entry): Promise<Found | null> {
  const statement = `SELECT id, status, started_at, parameters FROM sluice_control.run WHERE id = $1 AND ingestion_id = $2`;
  return (await rowsOf<Found>(sql, statement, [runId, ingestionId]))[0] ?? null;
}

/** The active row of a flow run, else its last one. */
async function newestOf(sql: SqlRunner, entry: Entry): Promise<Found | undefined> {
  const [row] = await rowsOf<Found>(
    sql,
    `SELECT id, status, started_at, parameters FROM sluice_control.run WHERE flow_run_id = $1 AND ingestion_id = $2
     ORDER BY (ended_at IS NULL) DESC, created_at DESC, id DESC LIMIT 1`,
    [entry.flowRunId, entry.ingestionId],
  );
  return row;
}

async function runOfTick(sql: SqlRunner, { ingestionId, plannedAt }: Entry): Promise<Found | undefined> {
  const statement = `SELECT id, status, started_at, parameters FROM sluice_control.run
    WHERE ingestion_id = $1 AND planned_at = $2 AND trigger = 'scheduled' AND status <> 'failed'`;
  return (await rowsOf<Found>(sql, statement, [ingestionId, plannedAt ?? null]))[0];
}

/** Does nothing when another process has just made the active row of this flow run, or when its tick has a run. */
async function insert(sql: SqlRunner, entry: Entry, trigger: RunTrigger, found: Found | null): Promise<void> {
  try {
    await sql.query(
      `INSERT INTO sluice_control.run
         (id, ingestion_id, flow_run_id, trigger, parameters, status, metrics, retry_of, planned_at, heartbeat_at)
       VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, now())
       ON CONFLICT DO NOTHING`,
      [
        randomUUID(),
        entry.ingestionId,
        entry.flowRunId,
        trigger,
        JSON.stringify(repeatable(found)),
        JSON.stringify(NO_METRICS),
        found?.id ?? null,
        trigger === 'scheduled' ? (entry.plannedAt ?? null) : null,
      ],
    );
  } catch (error) {
    throw isOrphan(error) ? new IngestionNotFound(entry.ingestionId) : error;
  }
}

function entered(run: Found): Entered {
  const { id, status, started_at: startedAt, parameters } = run;
  return { id, status, startedAt, parameters, taken: false };
}
