import { randomUUID } from 'node:crypto';
import { Client, type QueryResultRow } from 'pg';
import {
  type Batch,
  type FileWrite,
  type LoadColumn,
  type LoadedFile,
  type LoadSession,
  PostgresDestination,
  type SourceEntry,
  type TableName,
  type WriteOrder,
} from '@sluice/connectors';
import { Secret } from '@sluice/kernel';
import { freshDatabase } from './database';

/** A value as COPY sends it. */
export type Cell = Buffer | null;

export const int = (value: number): Cell => sized(4, (bytes) => bytes.writeInt32BE(value));
export const big = (value: number | bigint): Cell => sized(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)));
export const float = (value: number): Cell => sized(8, (bytes) => bytes.writeDoubleBE(value));
export const text = (value: string | null): Cell => (value === null ? null : Buffer.from(value));
export const jsonb = (value: string | null): Cell => (value === null ? null : Buffer.from(`\u0001${value}`));

function sized(size: number, write: (bytes: Buffer) => unknown): Buffer {
  const bytes = Buffer.alloc(size);
  write(bytes);
  return bytes;
}

/** One row as COPY's binary form has it. */
export function tuple(cells: readonly Cell[]): Buffer {
  const fields = cells.map((cell) => {
    const length = sized(4, (bytes) => bytes.writeInt32BE(cell?.length ?? -1));
    return cell === null ? length : Buffer.concat([length, cell]);
  });
  return Buffer.concat([sized(2, (bytes) => bytes.writeInt16BE(cells.length)), ...fields]);
}

export function column(name: string, type: LoadColumn['type'], more: Partial<LoadColumn> = {}): LoadColumn {
  return { source: name, name, type, ...more };
}

export function entry(path: string, fingerprint = 'f1', bytes = 10): SourceEntry {
  return { path, bytes, fingerprint, modifiedAt: null };
}

/** An order to append to `public.t`, with what is given exchanged. */
export function order(columns: readonly LoadColumn[], more: Partial<WriteOrder> = {}): WriteOrder {
  return { table: { schema: 'public', table: 't' }, keys: [], columns, rescued: false, ...more };
}

/** Sends rows (their cells in the order of `columns`, then `_rescued` if there is one) as one part of a file. */
export function send(file: FileWrite, columns: readonly LoadColumn[], rows: readonly Cell[][]): Promise<number> {
  return file.copy(columns, async (sink) => {
    for (const [index, row] of rows.entries())
      await sink(tuple([...row, big(file.loadId), ...(file.numbered ? [big(index + 1)] : [])]));
    return rows.length;
  });
}

/** A whole file of one part. */
export function put(
  batch: Batch,
  path: string,
  columns: readonly LoadColumn[],
  rows: readonly Cell[][],
): Promise<LoadedFile> {
  return batch.file(async (file) => {
    const count = await send(file, columns, rows);
    return { loadId: file.loadId, entry: entry(path), version: `v ${path}`, rows: count, rejected: 0 };
  });
}

export interface DestinationPlane {
  url: string;
  table: TableName;
  destination: PostgresDestination;
  client: Client;
  /** Acquired for an ingestion of its own unless one is named; closed with the plane. */
  session(ingestionId?: string): Promise<LoadSession>;
  rows<T extends QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
  /** The first column of all rows. */
  values(sql: string, values?: unknown[]): Promise<unknown[]>;
  /** An empty database again. */
  clean(): Promise<void>;
  close(): Promise<void>;
}

/** A destination of its own, without an orchestrator. */
export async function destinationPlane(): Promise<DestinationPlane> {
  const database = await freshDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('SET search_path = public');
  const destination = new PostgresDestination({
    url: new Secret(database.url),
    leaseSeconds: 60,
    fileAttempts: 3,
    fileRetrySeconds: 60,
  });
  const sessions: LoadSession[] = [];
  const rows = async <T extends QueryResultRow>(sql: string, values: unknown[] = []) =>
    (await client.query<T>(sql, values)).rows;
  const closeAll = () => Promise.all(sessions.splice(0).map((session) => session.close()));
  return {
    url: database.url,
    table: { schema: 'public', table: 't' },
    destination,
    client,
    session: async (ingestionId = randomUUID()) => {
      const session = await destination.acquire(ingestionId, randomUUID());
      if (session === null) throw new Error('another run holds the lease');
      sessions.push(session);
      return session;
    },
    rows,
    values: async (sql, values = []) =>
      (await rows(sql, values)).map((row) => Object.values(row as object)[0] as unknown),
    clean: async () => {
      await closeAll();
      await client.query('DROP SCHEMA IF EXISTS sluice CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    },
    close: async () => {
      await closeAll();
      await client.end();
      await database.drop();
    },
  };
}
