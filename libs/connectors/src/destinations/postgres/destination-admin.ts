import type { Client } from 'pg';
import type { Secret } from '@sluice/kernel';
import type { Rejection } from '../../formats/format-reader';
import type { LedgerEntry, TableName } from '../destination';
import { connect, transaction } from './connect';
import { ledgerSince } from './ledger';
import { isPrepared, prepare } from './own-schema';
import { disclaimTable } from './own-tables';
import { asDefinitionError, asDestinationError } from './pg-errors';
import { endHolders, endHoldersFor, shutOut } from './shutting-out';
import { soon } from './soon';
import { nameOf } from './sql';
import { relationOf } from './table-info';

const CONNECT_MS = 3_000;
/** What somebody who waits for an answer is kept waiting for locks, and for one statement. */
const LOCK_MS = 4_000;
const STATEMENT_MS = 5_000;
/** For an answer of a server that has gone silent; later than its own word would come. */
const ANSWER_MS = 6_000;
/** A long history takes its time to go. */
const FORGET_MS = 60_000;

/** A row that was left out of a file which is in. */
export interface RejectedRow extends Rejection {
  /** Its place in the pages. */
  id: string;
  loadId: string;
  runId: string;
  path: string;
  /** Of a zip archive: the file within it. */
  member: string | null;
}

export interface RejectedRowsQuery {
  runId?: string;
  path?: string;
  /** The `id` to go on after. */
  after: string | null;
  limit: number;
}

/** $1: ingestion, $2: run, $3: path, $4: the id to go on after, $5: how many. */
const REJECTED = `
SELECT id, load_id AS "loadId", run AS "runId", path, member, record::float8, line::float8, column_name AS column, error_type AS type, reason, raw
FROM sluice.rejected_row
WHERE ingestion = $1 AND ($2::uuid IS NULL OR run = $2) AND ($3::text IS NULL OR path = $3 COLLATE "C") AND id > $4 ORDER BY id LIMIT $5`;

/**
 * What is asked and told about a destination outside of runs, on short-lived connections of its own. Every call raises `DestinationError` when the
 * destination cannot be reached within seconds.
 */
export class DestinationAdmin {
  private readonly open = new Set<Client>();

  constructor(private readonly url: Secret) {}

  /**
   * Forgets which files of the ingestion are in, their rejected rows and its failed files, all or nothing. Since all would be loaded again, a table
   * with rows needs `confirm`. Who still writes for this ingestion commits nothing any more.
   */
  forget(
    ingestionId: string,
    table: TableName,
    { confirm }: { confirm: boolean },
  ): Promise<'forgotten' | 'table_not_empty' | 'run_active'> {
    return this.connected(`sluice forget ${ingestionId}`, async (client) => {
      if (!(await isPrepared(client))) return 'forgotten';
      await prepare(client);
      return transaction(client, async () => {
        if (!(await shutOut(client, ingestionId))) return 'run_active';
        if (!confirm && (await hasRows(client, table))) return 'table_not_empty';
        await forgetHistory(client, ingestionId);
        return 'forgotten';
      });
    });
  }

  /**
   * Drops a table that Sluice made, with the history of the ingestion. Who still writes for it is ended and commits nothing any more. Where the
   * table is somebody else's, the history stays: its rows refer to it. `beforeCommit` comes last, whatever was found; if it raises, nothing has
   * changed. Raises `DestinationError` (`schema_mismatch`) naming what depends on the table.
   */
  dropTable(
    ingestionId: string,
    table: TableName,
    beforeCommit: () => Promise<void> = () => Promise.resolve(),
  ): Promise<'dropped' | 'not_ours' | 'missing'> {
    return this.connected(`sluice drop ${ingestionId}`, async (client) => {
      if (!(await isPrepared(client))) {
        const found = (await exists(client, table)) ? 'not_ours' : 'missing';
        await beforeCommit();
        return found;
      }
      await prepare(client);
      return transaction(client, async () => {
        const found = await dropWithHistory(client, ingestionId, table);
        await beforeCommit();
        return found;
      });
    });
  }

  /** Ends the backends of a run that holds the lease, and raises the fence: it commits nothing any more. False: it does not hold it, and nothing was done. */
  endRun(ingestionId: string, runId: string): Promise<boolean> {
    return this.connected(`sluice end ${runId}`, async (client) => {
      if (!(await isPrepared(client))) return false;
      return transaction(client, () => endHoldersFor(client, ingestionId, runId));
    });
  }

  /** In the order in which they were rejected. */
  rejectedRows(ingestionId: string, { runId, path, after, limit }: RejectedRowsQuery): Promise<RejectedRow[]> {
    return this.connected(`sluice rejected ${ingestionId}`, async (client) => {
      if (!(await isPrepared(client))) return [];
      await prepare(client);
      const values = [ingestionId, runId ?? null, path ?? null, after ?? '0', limit];
      return (await client.query<RejectedRow>(REJECTED, values)).rows;
    });
  }

  /** Which files are in, in the order of their load ids: `limit` of them after the load `after` (`null`: from the first). */
  ledgerSince(ingestionId: string, after: string | null, limit: number): Promise<LedgerEntry[]> {
    return this.connected(`sluice ledger ${ingestionId}`, async (client) => {
      if (!(await isPrepared(client))) return [];
      await prepare(client);
      return ledgerSince(client, ingestionId, after, limit);
    });
  }

  /** Ends what is still under way. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.open].map((client) => soon(client.end())));
  }

  private async connected<T>(name: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = await connect(this.url, name, CONNECT_MS, ANSWER_MS);
    this.open.add(client);
    try {
      await client.query(`SET lock_timeout = ${LOCK_MS}; SET statement_timeout = ${STATEMENT_MS}`);
      return await work(client);
    } catch (error) {
      throw asDestinationError(error);
    } finally {
      this.open.delete(client);
      await soon(client.end());
    }
  }
}

async function dropWithHistory(client: Client, ingestionId: string, table: TableName) {
  await endHolders(client, ingestionId);
  const relation = await relationOf(client, table);
  if (relation?.ours === false) return 'not_ours';
  await forgetHistory(client, ingestionId);
  if (relation === null) return 'missing';
  await client.query(`DROP TABLE ${nameOf(table)}`).catch((error: unknown) => {
    throw asDefinitionError(error, `The table ${nameOf(table)} cannot be dropped`);
  });
  await disclaimTable(client, table);
  return 'dropped';
}

async function forgetHistory(client: Client, ingestionId: string): Promise<void> {
  await client.query(`SET LOCAL statement_timeout = ${FORGET_MS}`);
  for (const name of ['ledger', 'rejected_row', 'failed_file']) {
    const patient = { text: `DELETE FROM sluice.${name} WHERE ingestion = $1`, query_timeout: FORGET_MS };
    await client.query(patient, [ingestionId]);
  }
}

async function hasRows(client: Client, table: TableName): Promise<boolean> {
  if (!(await exists(client, table))) return false;
  return (await client.query(`SELECT FROM ${nameOf(table)} LIMIT 1`)).rowCount === 1;
}

async function exists(client: Client, table: TableName): Promise<boolean> {
  return (await client.query('SELECT WHERE to_regclass($1) IS NOT NULL', [nameOf(table)])).rowCount === 1;
}
