import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Child } from './child';

/** Where a run stands in the destination, by what its writer's backend does. */
export interface Step {
  name: string;
  /** Whether a transaction of the destination is open: what a batch does, or the definition of a table. */
  open: boolean;
}

interface Activity {
  /** `null` while the connection is being made. */
  state: string | null;
  query: string;
  waits: boolean;
}

const ACTIVITY = `
SELECT state, query, coalesce(wait_event_type = 'Lock', false) AS waits FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'sluice run ' || $1 || '%'`;

/** The first that fits names the statement. */
const STATEMENTS: readonly (readonly [string, RegExp])[] = [
  ['the proof of the lease', /FOR KEY SHARE/i],
  ['the ledger', /(INSERT INTO|DELETE FROM|UPDATE)\s+sluice\.ledger/i],
  ['the listing', /listing/i],
  ['COPY', /^\s*COPY/i],
  ['COMMIT', /^\s*COMMIT/i],
  ['BEGIN', /^\s*BEGIN/i],
  ['SAVEPOINT', /SAVEPOINT/i],
  ['the swap', /RENAME TO|SET SCHEMA/i],
  ['a definition', /^\s*(CREATE|ALTER|DROP|DO|LOCK)/i],
  ['the merge', /^\s*(WITH|INSERT|UPDATE|DELETE|MERGE)/i],
];
const WRITING = new Set([
  'the proof of the lease',
  'the ledger',
  'COPY',
  'COMMIT',
  'SAVEPOINT',
  'the swap',
  'the merge',
]);

export async function stepOf(client: Client, child: Child): Promise<Step> {
  if (child.runId === null) return { name: 'before the lease', open: false };
  const { rows } = await client.query<Activity>(ACTIVITY, [child.runId]);
  return rows[0] === undefined ? { name: 'no connection', open: false } : named(rows[0]);
}

function named({ state, query }: Activity): Step {
  if (state === null) return { name: 'no connection', open: false };
  const statement = STATEMENTS.find(([, pattern]) => pattern.test(query))?.[0] ?? 'a question';
  if (state === 'active') return { name: statement, open: WRITING.has(statement) };
  if (state.startsWith('idle in transaction')) return { name: `in the transaction, after ${statement}`, open: true };
  return { name: 'no transaction', open: false };
}

/** Who does what on the server, for a person who looks for the reason of a run that hangs. */
export async function everybody({ destination }: { destination: Client }): Promise<string> {
  const { rows } = await destination.query<{ line: string }>(
    `SELECT format('%s %s [%s %s %s, waits for %s]: %s', datname, application_name, pid, state, coalesce(wait_event, 'nothing'), pg_blocking_pids(pid),
       left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 100)) AS line
     FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid() ORDER BY 1`,
  );
  return rows.map(({ line }) => `\n      ${line}`).join('');
}

const PATIENCE_MS = 30_000;

/** Polls until the run is at such a step; false: it ended first, or nothing of the kind came in time. */
export function untilStep(client: Client, child: Child, wanted: (step: Step) => boolean): Promise<boolean> {
  return polled(child, async () => wanted(await stepOf(client, child)));
}

/** Polls until the run waits for a lock of ours; false likewise. */
export function untilWaiting(client: Client, child: Child): Promise<boolean> {
  return polled(child, async () => (await client.query<Activity>(ACTIVITY, [child.runId])).rows[0]?.waits === true);
}

async function polled(child: Child, isSo: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + PATIENCE_MS;
  while (child.running && Date.now() < end) {
    if (await isSo()) return true;
    await pause(1);
  }
  return false;
}

/** Until the server has noticed that all runners are gone. */
export async function untilNobody(client: Client): Promise<void> {
  const statement = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice %'`;
  const end = Date.now() + PATIENCE_MS;
  while ((await client.query(statement)).rowCount !== 0) {
    if (Date.now() > end) throw new Error('Connections of runners that are gone are still there after 30 s.');
    await pause(5);
  }
}
