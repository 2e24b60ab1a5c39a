import { Readable } from 'node:stream';
import type { FileInput, OpenedFile } from '@sluice/connectors';

/** A file in memory, handed out in pieces of `pieceBytes`. */
export function memoryFile(content: string | Buffer, options: { path?: string; pieceBytes?: number } = {}): FileInput {
  const bytes = Buffer.from(content);
  const { path = 'memory.csv', pieceBytes = bytes.length } = options;
  return {
    path,
    compression: 'none',
    bytes: bytes.length,
    open: () => Readable.from(pieces(bytes, Math.max(1, pieceBytes))),
    localPath: () => Promise.reject(new Error('this file lies in memory')),
  };
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

export type CopiedRow = (Buffer | null)[];

/** What a file sends to the server, field by field and without `_load_id`. */
export async function copiedRows(file: OpenedFile): Promise<CopiedRow[]> {
  const sent: Buffer[] = [];
  const sink = (bytes: Buffer) => {
    sent.push(Buffer.from(bytes));
    return Promise.resolve();
  };
  const count = await file.copyTo(sink, 7n, new AbortController().signal);
  const rows = decodeTuples(Buffer.concat(sent));
  if (rows.length !== count) throw new Error(`${count} rows were promised and ${rows.length} sent`);
  return rows;
}

/** Texts of `copiedRows`. */
export async function copiedTexts(file: OpenedFile): Promise<(string | null)[][]> {
  return (await copiedRows(file)).map((row) => row.map((field) => field?.toString() ?? null));
}

/** Reads PostgreSQL's binary COPY tuples ("COPY", section "Binary Format"); the last field of each must be the load id. */
export function decodeTuples(bytes: Buffer): CopiedRow[] {
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
    if (row.pop()?.readBigInt64BE() !== 7n) throw new Error('a tuple does not end with its load id');
    rows.push(row);
  }
  return rows;
}
