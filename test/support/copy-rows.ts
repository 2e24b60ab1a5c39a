import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import type { CopyOrder, FileInput, OpenedFile, ReadPlan, Rejection } from '@sluice/connectors';

/** Limits as the settings have them by default. */
export const LIMITS = { recordBytes: 64 * 1024 * 1024, columns: 1598, depth: 512 };

/** DuckDB for tests that let a dialect be sniffed. */
export const SMALL_DUCKDB = { memoryMb: 64, threads: 1, tempDir: tmpdir() };

/** A file in memory, handed out in pieces of `pieceBytes`. */
export function memoryFile(content: string | Buffer, options: { path?: string; pieceBytes?: number } = {}): FileInput {
  const bytes = Buffer.from(content);
  const { path = 'memory.csv', pieceBytes = bytes.length } = options;
  return {
    path,
    bytes: bytes.length,
    open: () => Readable.from(pieces(bytes, Math.max(1, pieceBytes))),
    localPath: () => Promise.reject(new Error('this file lies in memory')),
  };
}

/** A file on disk as it is. */
export async function diskFile(path: string): Promise<FileInput> {
  return { ...memoryFile(await readFile(path), { path }), localPath: () => Promise.resolve(path) };
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

/** A plan that knows no columns and forgives nothing, but for what is given. */
export function aPlan(overrides: Partial<ReadPlan> = {}): ReadPlan {
  return {
    columns: [],
    dialect: null,
    given: {},
    unknown: 'report',
    unfit: 'refuse',
    badRows: 'fail',
    ...overrides,
  };
}

export type CopiedRow = (Buffer | null)[];

/** What became of a file. */
export interface Copied {
  /** Field by field, without `_load_id`. */
  rows: CopiedRow[];
  rejections: Rejection[];
}

const LOAD_ID = 7n;

/** Reads a file as for a COPY. */
export async function copied(file: OpenedFile, overrides: Partial<CopyOrder> = {}): Promise<Copied> {
  const sent: Buffer[] = [];
  const rejections: Rejection[] = [];
  const order: CopyOrder = {
    sink: (bytes) => {
      sent.push(Buffer.from(bytes));
      return Promise.resolve(true);
    },
    loadId: LOAD_ID,
    numbered: false,
    reject: (rejection) => void rejections.push(rejection),
    refused: new Map(),
    signal: new AbortController().signal,
    ...overrides,
  };
  const count = await file.copyTo(order);
  const rows = decodeTuples(Buffer.concat(sent), order.numbered);
  if (rows.length !== count) throw new Error(`${count} rows were promised and ${rows.length} sent`);
  return { rows, rejections };
}

export async function copiedRows(file: OpenedFile): Promise<CopiedRow[]> {
  return (await copied(file)).rows;
}

/** Texts of `copiedRows`. */
export async function copiedTexts(file: OpenedFile): Promise<(string | null)[][]> {
  return texts(await copiedRows(file));
}

export function texts(rows: readonly CopiedRow[]): (string | null)[][] {
  return rows.map((row) => row.map((field) => field?.toString() ?? null));
}

/**
 * Reads PostgreSQL's binary COPY tuples ("COPY", section "Binary Format"). Each must end with the load id, which is left out; where rows are
 * numbered their number follows it, and stays.
 */
export function decodeTuples(bytes: Buffer, numbered = false): CopiedRow[] {
  const rows: CopiedRow[] = [];
  for (let at = 0; at < bytes.length;) {
    const fields = bytes.readInt16BE(at);
    at += 2;
    const row: CopiedRow = [];
    for (let i = 0; i < fields; i++) {
      const length = bytes.readInt32BE(at);
      at += 4;
      row.push(length === -1 ? null : bytes.subarray(at, at + length));
      at += Math.max(0, length);
    }
    const [id] = row.splice(numbered ? -2 : -1, 1);
    if (id?.readBigInt64BE() !== LOAD_ID) throw new Error('a tuple does not end with its load id');
    rows.push(row);
  }
  return rows;
}
