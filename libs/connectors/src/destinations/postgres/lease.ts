import type { Client, QueryResult } from 'pg';
import { DestinationError, Fenced } from '../../errors';
import { asDestinationError } from './pg-errors';
import { soon } from './soon';

const TAKE_OVER_TRIES = 50;
const TAKE_OVER_PAUSE_MS = 100;

export interface LeaseOptions {
  ingestionId: string;
  runId: string;
  /** Time without a heartbeat after which a holder counts as frozen. */
  seconds: number;
}

/** The run whose keeper holds the lock of ingestion $1 and whose time is not over; read without touching the lock. */
export const LIVE_HOLDER = `
SELECT run FROM sluice.lease WHERE ingestion = $1 AND expires_at >= clock_timestamp() AND EXISTS (
  SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('sluice lease ' || $1, 0))`;

interface Holder {
  fence: string;
  expired: boolean;
  writer_pid: number | null;
  writer_started: string | null;
  heartbeat_pid: number | null;
  heartbeat_started: string | null;
}

/**
 * The right of one run to write for an ingestion. The keeper's session holds an advisory lock, so a holder that died is known at once;
 * one that is frozen keeps it until its heartbeats are missed for the lease's whole time, then its backends are ended. Raising the fence
 * waits (`FOR UPDATE`) for a commit of the old holder that is under way, and after it no older fence commits.
 */
export class Lease {
  readonly lost: AbortSignal;
  private readonly losing = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private closed = false;
  private asked: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly keeper: Client,
    private readonly options: LeaseOptions,
    readonly fence: string,
  ) {
    this.lost = this.losing.signal;
    keeper.once('end', () =>
      this.lose(
        new DestinationError(
          'connectivity',
          'The connection that keeps the lease broke. The next run tries again.',
          'later',
        ),
      ),
    );
    this.beatLater();
  }

  /** `null`: another run holds it and lives. */
  static async take(keeper: Client, writer: Client, options: LeaseOptions): Promise<Lease | null> {
    await keeper.query('INSERT INTO sluice.lease (ingestion) VALUES ($1) ON CONFLICT DO NOTHING', [
      options.ingestionId,
    ]);
    if (!(await lock(keeper, options.ingestionId)) && !(await takeOver(keeper, options))) return null;
    return new Lease(keeper, options, await raiseFence(keeper, writer, options));
  }

  /** Cancels what the writer's backend is doing; asked of the server, since the writer's own connection is busy. */
  async interruptWriter(): Promise<void> {
    const statement =
      'SELECT pg_cancel_backend(writer_pid) FROM sluice.lease WHERE ingestion = $1 AND fence = $2 AND writer_pid IS NOT NULL';
    await this.ask(statement).catch(() => undefined);
  }

  async release(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    const statement =
      "UPDATE sluice.lease SET expires_at = '-infinity', run = NULL WHERE ingestion = $1 AND fence = $2";
    // A lease that is lost is not ours to give back, or there is nobody to tell.
    if (!this.lost.aborted) await soon(this.ask(statement));
    await soon(this.keeper.end());
  }

  private beatLater(): void {
    this.timer = setTimeout(() => void this.beat(), (this.options.seconds * 1000) / 6);
  }

  /** Without an answer the lease runs out, and we must stop before somebody else begins. */
  private async beat(): Promise<void> {
    const patience = setTimeout(() => this.lose(silence()), this.options.seconds * 800);
    try {
      const statement =
        "UPDATE sluice.lease SET expires_at = clock_timestamp() + $3 * interval '1 second' WHERE ingestion = $1 AND fence = $2";
      const { rowCount } = await this.ask(statement, this.options.seconds);
      if (rowCount === 0) this.lose(new Fenced());
      else if (!this.closed) this.beatLater();
    } catch (error) {
      this.lose(asDestinationError(error));
    } finally {
      clearTimeout(patience);
    }
  }

  /** A connection takes one question after the other; $1 and $2 are the ingestion and our fence. */
  private ask(statement: string, ...more: unknown[]): Promise<QueryResult> {
    const answer = this.asked.then(() => this.keeper.query(statement, [this.options.ingestionId, this.fence, ...more]));
    this.asked = answer.catch(() => undefined);
    return answer;
  }

  private lose(reason: Error): void {
    if (!this.closed) this.losing.abort(reason);
  }
}

function silence(): DestinationError {
  return new DestinationError(
    'connectivity',
    'The destination has not answered for as long as the lease lasts. The next run tries again.',
    'later',
  );
}

async function lock(keeper: Client, ingestionId: string): Promise<boolean> {
  const { rows } = await keeper.query<{ locked: boolean }>(
    "SELECT pg_try_advisory_lock(hashtextextended('sluice lease ' || $1, 0)) AS locked",
    [ingestionId],
  );
  return rows[0]?.locked === true;
}

/** Ends the backends of a holder whose time is over. Backend pids are used again, so the start time must match too. */
async function takeOver(keeper: Client, options: LeaseOptions): Promise<boolean> {
  const { ingestionId } = options;
  const holder = await holderOf(keeper, ingestionId);
  if (holder?.expired !== true) return false;
  await terminate(keeper, holder.writer_pid, holder.writer_started);
  await terminate(keeper, holder.heartbeat_pid, holder.heartbeat_started);
  for (let i = 0; i < TAKE_OVER_TRIES; i++) {
    if (await lock(keeper, ingestionId)) return true;
    await terminateSilent(keeper, options);
    await new Promise((resolve) => setTimeout(resolve, TAKE_OVER_PAUSE_MS));
  }
  return false;
}

async function holderOf(keeper: Client, ingestionId: string): Promise<Holder | undefined> {
  const statement = `SELECT fence, expires_at < clock_timestamp() AS expired, writer_pid, writer_started::text, heartbeat_pid, heartbeat_started::text
    FROM sluice.lease WHERE ingestion = $1`;
  return (await keeper.query<Holder>(statement, [ingestionId])).rows[0];
}

async function terminate(keeper: Client, pid: number | null, started: string | null): Promise<void> {
  await keeper.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
    [pid, started],
  );
}

/**
 * One that froze between its lock and its first heartbeat is not named in the lease: it is known by the lock it holds, and by having asked
 * nothing for the lease's whole time, in which a living one has beaten several times.
 */
async function terminateSilent(keeper: Client, { ingestionId, seconds }: LeaseOptions): Promise<void> {
  const key = "hashtextextended('sluice lease ' || $1, 0)";
  await keeper.query(
    `SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND l.database = a.datid AND a.datname = current_database() AND l.objsubid = 1
       AND (l.classid::bigint << 32) | l.objid::bigint = ${key}
       AND a.state_change < clock_timestamp() - $2 * interval '1 second'`,
    [ingestionId, seconds],
  );
}

/** The last holder's writer may outlive its keeper; its backend is ended too, for it can only hold locks now. */
async function raiseFence(keeper: Client, writer: Client, options: LeaseOptions): Promise<string> {
  const old = await holderOf(keeper, options.ingestionId);
  if (old !== undefined) await terminate(keeper, old.writer_pid, old.writer_started);
  await keeper.query('BEGIN');
  await keeper.query('SELECT 1 FROM sluice.lease WHERE ingestion = $1 FOR UPDATE', [options.ingestionId]);
  const statement = `UPDATE sluice.lease SET fence = fence + 1, run = $2, expires_at = clock_timestamp() + $3 * interval '1 second',
      writer_pid = $4, writer_started = (SELECT backend_start FROM pg_stat_activity WHERE pid = $4),
      heartbeat_pid = pg_backend_pid(), heartbeat_started = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
    WHERE ingestion = $1 RETURNING fence`;
  const pid = (await writer.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
  const { rows } = await keeper.query<{ fence: string }>(statement, [
    options.ingestionId,
    options.runId,
    options.seconds,
    pid,
  ]);
  await keeper.query('COMMIT');
  return rows[0]?.fence ?? '0';
}
