import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Client, escapeIdentifier, type QueryResultRow } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { LoadColumn, OpenedFile, Rejection } from '@sluice/connectors';
import { COPY_SIGNATURE, COPY_TRAILER } from '../../libs/connectors/src/copy/copy-writer';
import { freshDatabase } from './database';

/** A PostgreSQL into whose tables opened files are copied, without anything between the reader and the server. */
export interface CopyServer {
  query<T extends QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
  /** Makes the table anew, copies the file into it and returns its rows as texts, in the file's order. */
  load(file: OpenedFile, table?: string): Promise<{ rows: QueryResultRow[]; rejections: Rejection[] }>;
  close(): Promise<void>;
}

export async function copyServer(): Promise<CopyServer> {
  const database = await freshDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("SET TimeZone = 'UTC'; SET search_path = public");
  const query = async <T extends QueryResultRow>(sql: string, values?: unknown[]) =>
    (await client.query<T>(sql, values)).rows;
  return {
    query,
    load: async (file, table = 't') => {
      await query(createTable(table, file.columns));
      const rejections = await copyInto(client, table, file);
      const names = [...file.columns.map(({ name }) => name), '_rescued'];
      const texts = names.map((name) => `${escapeIdentifier(name)}::text AS ${escapeIdentifier(name)}`);
      return { rows: await query(`SELECT ${texts.join()} FROM ${table} ORDER BY _row`), rejections };
    },
    close: async () => {
      await client.end();
      await database.drop();
    },
  };
}

function createTable(table: string, columns: readonly LoadColumn[]): string {
  const list = columns.map(({ name, type }) => `${escapeIdentifier(name)} ${type},`).join(' ');
  return `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (${list} _rescued jsonb, _load_id bigint, _row bigint)`;
}

/** The rows must end with `_rescued`, `_load_id` and `_row`: the plan rescues. */
async function copyInto(client: Client, table: string, file: OpenedFile): Promise<Rejection[]> {
  const rejections: Rejection[] = [];
  const pieces: Buffer[] = [COPY_SIGNATURE];
  await file.copyTo({
    sink: (bytes) => Promise.resolve(pieces.push(Buffer.from(bytes)) > 0),
    loadId: 1n,
    numbered: true,
    reject: (rejection) => void rejections.push(rejection),
    refused: new Map(),
    signal: new AbortController().signal,
  });
  await pipeline(
    Readable.from([...pieces, COPY_TRAILER]),
    client.query(copyFrom(`COPY ${table} FROM STDIN (FORMAT binary)`)),
  );
  return rejections;
}
