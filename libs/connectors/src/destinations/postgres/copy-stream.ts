import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_SIGNATURE, COPY_TRAILER } from '../../copy/copy-writer';
import type { Sink } from '../../formats/format-reader';
import { asDestinationError, refusedRow } from './pg-errors';

const PIECE_BYTES = 256 * 1024;

/** Rows as binary tuples. `statement` may hold others before the COPY: they go the same way in one round trip. */
export function copyBinary(client: Client, statement: string, write: (sink: Sink) => Promise<number>): Promise<number> {
  return copy(client, statement, async (sink) => {
    const pieces = new Pieces(sink);
    const rows = await write((bytes) => pieces.take(bytes));
    await pieces.end();
    return rows;
  });
}

/** Puts signature and trailer to the rows, so that a small file is one message of the protocol and not three. */
class Pieces {
  private waiting: Buffer = COPY_SIGNATURE;

  constructor(private readonly sink: Sink) {}

  async take(bytes: Buffer): Promise<void> {
    const { waiting } = this;
    this.waiting = waiting === COPY_SIGNATURE ? Buffer.concat([waiting, bytes]) : bytes;
    if (waiting !== COPY_SIGNATURE) await this.sink(waiting);
  }

  end(): Promise<void> {
    return this.sink(Buffer.concat([this.waiting, COPY_TRAILER]));
  }
}

export type CopyField = string | number | null;

/** Rows in COPY's text form, sent in pieces: however many there are, memory stays small. Returns their number. */
export function copyText(
  client: Client,
  statement: string,
  rows: AsyncIterable<readonly CopyField[]>,
): Promise<number> {
  return copy(client, statement, async (sink) => {
    let count = 0;
    let piece = '';
    for await (const row of rows) {
      piece += `${row.map(textField).join('\t')}\n`;
      count++;
      if (piece.length < PIECE_BYTES) continue;
      await sink(Buffer.from(piece));
      piece = '';
    }
    if (piece !== '') await sink(Buffer.from(piece));
    return count;
  });
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function textField(field: CopyField): string {
  if (field === null) return '\\N';
  return typeof field === 'number' ? String(field) : field.replace(/[\\\n\r\t]/g, (found) => ESCAPES[found] as string);
}

/**
 * Raises what the server says as `RowRefused` or `DestinationError`, and what `write` raises as it is; then the COPY is given up, and the
 * connection is ready for the next statement.
 */
async function copy(client: Client, statement: string, write: (sink: Sink) => Promise<number>): Promise<number> {
  const stream = client.query(copyFrom(statement));
  let refusal: unknown = null;
  const ended = finished(stream).catch((error: unknown) => {
    refusal ??= error;
    throw error;
  });
  // Whoever waits for `ended` gets the error; this only keeps it from counting as unhandled before that.
  ended.catch(() => undefined);
  try {
    const rows = await write(sinkInto(stream, ended));
    stream.end();
    await ended;
    return rows;
  } catch (error) {
    if (refusal !== null) throw refusedRow(refusal) ?? asDestinationError(refusal);
    // Tells the server to give the COPY up; its answer to that is not the reason.
    stream.destroy(new Error('the file cannot be loaded'));
    await ended.catch(() => undefined);
    throw error;
  }
}

function sinkInto(stream: Writable, ended: Promise<void>): Sink {
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  return (bytes) => Promise.race([ended, write(bytes)]);
}
