import { setTimeout as pause } from 'node:timers/promises';
import { type Client, DatabaseError, escapeIdentifier } from 'pg';
import { DestinationError } from '../../../errors';
import type { Retyping, TableName } from '../../destination';
import { asDefinitionError } from '../pg-errors';
import { nameOf } from '../sql';
import { readCarryOver } from './carry-over';
import type { BuiltIndex } from './indexes';
import { refuseObstacles } from './obstacles';

const LOCK_TRIES = 20;
/** Below the server's deadlock_timeout (1 s): whoever waits for us while we wait for them is not the one who is ended. */
const LOCK_MS = 300;
const PAUSE_MS = 200;

const VIEWS = `
SELECT DISTINCT v.oid, format('ALTER VIEW %s OWNER TO %I', v.oid::regclass, pg_get_userbyid(v.relowner)) AS statement
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND v.relkind = 'v' ORDER BY v.oid`;

export interface Swap {
  name: TableName;
  old: number;
  fresh: TableName;
  indexes: readonly BuiltIndex[];
  retypings: readonly Retyping[];
}

/** Puts the new table in the place of the old one, which goes. Readers wait from here to the commit. */
export async function swap(client: Client, { name, old, fresh, indexes, retypings }: Swap): Promise<void> {
  await lockOut(client, name, old);
  await refuseObstacles(client, name, old, retypings);
  const { rows } = await client.query<{ oid: number }>('SELECT to_regclass($1)::oid AS oid', [nameOf(fresh)]);
  const carried = await readCarryOver(client, { old, fresh: rows[0]?.oid ?? 0, name }, indexes);
  const leaving = { schema: name.schema, table: `${fresh.table}_old` };
  const statements = [
    `ALTER TABLE ${nameOf(name)} RENAME TO ${escapeIdentifier(leaving.table)}`,
    `ALTER TABLE ${nameOf(fresh)} RENAME TO ${escapeIdentifier(name.table)}`,
    ...carried.before,
    `DROP TABLE ${nameOf(leaving)}`,
    ...carried.after,
  ];
  try {
    for (const statement of statements) await client.query(statement);
  } catch (error) {
    throw asDefinitionError(error, `The table ${nameOf(name)} cannot be replaced by the new one`);
  }
}

/**
 * Takes the views on the table and the table for ourselves, in the order in which readers of the views take them. Waits in short pieces: while we wait,
 * new readers wait behind us.
 */
async function lockOut(client: Client, name: TableName, old: number): Promise<void> {
  for (let tries = 1; ; tries++) {
    await client.query(`SAVEPOINT lock_out; SET LOCAL lock_timeout = ${LOCK_MS}`);
    try {
      const { rows } = await client.query<{ statement: string }>(VIEWS, [old]);
      for (const { statement } of rows) await client.query(statement);
      await client.query(`LOCK TABLE ${nameOf(name)} IN ACCESS EXCLUSIVE MODE`);
      await client.query('RELEASE SAVEPOINT lock_out');
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
      await client.query('ROLLBACK TO SAVEPOINT lock_out');
      if (tries === LOCK_TRIES) throw busy(name, error);
      await pause(PAUSE_MS);
    }
  }
}

/** Lock time-out or deadlock. */
function isBusy(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '55P03' || error.code === '40P01');
}

function busy(name: TableName, cause: unknown): DestinationError {
  const message = `The table ${nameOf(name)} was built anew but could not be put in its place, for somebody reads it without a pause. It stays as it was; the next attempt may succeed.`;
  return new DestinationError('destination', message, 'later', { cause });
}
