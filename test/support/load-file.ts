import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { Client, escapeIdentifier } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { CopyOrder, FileInput, LoadColumn, OpenedFile, ReadPlan, Rejection } from '@sluice/connectors';
import { rescues } from '../../libs/connectors/src/formats/format-reader';
import { COPY_SIGNATURE, COPY_TRAILER } from '../../libs/connectors/src/copy/copy-writer';
import { freshDatabase } from './database';

/** A real database that opened files are copied into as a destination would do it, without a run around them. */
export interface LoadDesk {
  client: Client;
  /** A new table with the columns (their types, or `types` by column name), and all that rows may end with. Returns its name. */
  table(columns: readonly LoadColumn[], types?: Record<string, string>): Promise<string>;
  load(table: string, file: OpenedFile, plan: ReadPlan, order?: Partial<CopyOrder>): Promise<Loaded>;
  close(): Promise<void>;
}

export interface Loaded {
  rows: number;
  rejections: Rejection[];
}

export async function loadDesk(): Promise<LoadDesk> {
  const database = await freshDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("SET TimeZone = 'UTC'");
  let tables = 0;
  return {
    client,
    table: async (columns, types = {}) => {
      const name = `t${++tables}`;
      const list = columns.map((column) => `${escapeIdentifier(column.name)} ${types[column.name] ?? column.type}`);
      await client.query(
        `CREATE TABLE ${name} (${[...list, '_rescued jsonb', '_load_id bigint', '_row bigint'].join(', ')})`,
      );
      return name;
    },
    load: (table, file, plan, order = {}) => copyInto(client, table, file, plan, order),
    close: async () => {
      await client.end();
      await database.drop();
    },
  };
}

async function copyInto(
  client: Client,
  table: string,
  file: OpenedFile,
  plan: ReadPlan,
  order: Partial<CopyOrder>,
): Promise<Loaded> {
  const names = file.columns.map(({ name }) => name);
  const all = [...names, ...(rescues(plan) ? ['_rescued'] : []), '_load_id', '_row'].map(escapeIdentifier);
  const copy = client.query(copyFrom(`COPY ${table} (${all.join(', ')}) FROM STDIN (FORMAT binary)`));
  const done = once(copy, 'finish');
  const rejections: Rejection[] = [];
  copy.write(COPY_SIGNATURE);
  try {
    const rows = await file.copyTo({
      sink: async (bytes) => {
        if (!copy.write(bytes)) await once(copy, 'drain');
        return false;
      },
      loadId: 7n,
      numbered: true,
      reject: (rejection) => void rejections.push(rejection),
      refused: new Map(),
      signal: new AbortController().signal,
      ...order,
    });
    copy.end(COPY_TRAILER);
    await done;
    return { rows, rejections };
  } catch (error) {
    done.catch(() => undefined);
    copy.destroy();
    throw error;
  } finally {
    file.close();
  }
}

/** A plan that takes what it is given as it is; what is left out forgives nothing. */
export function aPlan(columns: readonly LoadColumn[], overrides: Partial<ReadPlan> = {}): ReadPlan {
  return { columns, dialect: null, given: {}, unknown: 'report', unfit: 'refuse', badRows: 'fail', ...overrides };
}

/** A file on disk as sources hand it out. */
export async function diskFile(path: string): Promise<FileInput> {
  const bytes = await readFile(path);
  return {
    path: basename(path),
    bytes: bytes.length,
    open: () => Readable.from(inPieces(bytes)),
    localPath: () => Promise.resolve(path),
  };
}

/** Pieces that end anywhere. */
function* inPieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 97) yield Buffer.from(bytes.subarray(at, at + 97));
}
