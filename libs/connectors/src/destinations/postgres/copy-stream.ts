import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_SIGNATURE, COPY_TRAILER } from '../../copy/copy-writer';
import type { Sink } from '../../formats/format-reader';
import { RowRefused } from '../destination';
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
  /** The first piece, until it is known whether it is the only one; `null`: it has been sent. */
  private first: Buffer | null = COPY_SIGNATURE;

  constructor(private readonly sink: Sink) {}

  async take(bytes: Buffer): Promise<boolean> {
    const { first } = this;
    if (first === null) return this.sink(bytes);
    this.first = first === COPY_SIGNATURE ? Buffer.concat([first, bytes]) : null;
    if (this.first !== null) return true;
    await this.sink(first);
    return this.sink(bytes);
  }

  async end(): Promise<void> {
    await this.sink(this.first === null ? COPY_TRAILER : Buffer.concat([this.first, COPY_TRAILER]));
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
  const stream = new CopyStream(client, statement);
  try {
    const rows = await write(stream.sink);
    await stream.end();
    return rows;
  } catch (error) {
    const refusal = stream.refusal;
    if (refusal !== null) throw refusedRow(refusal) ?? asDestinationError(refusal);
    await stream.abandon();
    throw error;
  }
}

/** One COPY under way. */
class CopyStream {
  /** What the server (or the way to it) says; `null`: nothing yet. */
  refusal: unknown = null;
  readonly sink: Sink;
  private readonly stream: Writable;
  private readonly ended: Promise<void>;

  constructor(client: Client, statement: string) {
    this.stream = client.query(copyFrom(statement));
    this.ended = finished(this.stream).catch((error: unknown) => {
      this.refusal ??= error;
      throw error;
    });
    // Whoever waits for `ended` gets the error; this only keeps it from counting as unhandled before that.
    this.ended.catch(() => undefined);
    this.sink = sinkInto(this.stream, this.ended, client.connection.stream);
  }

  async end(): Promise<void> {
    this.stream.end();
    await this.ended;
  }

  /** Tells the server to give the COPY up; its answer to that is not the reason. */
  async abandon(): Promise<void> {
    this.stream.destroy(new Error('the rows are not to be kept'));
    await this.ended.catch(() => undefined);
  }
}

/** One COPY for the rows of several small files with the same columns. Raises `RowRefused` (`together`) and `DestinationError`. */
export class SharedCopy {
  private readonly stream: CopyStream;
  private readonly pieces: Pieces;

  constructor(client: Client, statement: string) {
    this.stream = new CopyStream(client, statement);
    this.pieces = new Pieces(this.stream.sink);
  }

  add(rows: readonly Buffer[]): Promise<void> {
    return this.told(async () => {
      await this.pieces.take(rows.length === 1 ? (rows[0] as Buffer) : Buffer.concat(rows));
    });
  }

  end(): Promise<void> {
    return this.told(async () => {
      await this.pieces.end();
      await this.stream.end();
    });
  }

  abandon(): Promise<void> {
    return this.stream.abandon();
  }

  private async told(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const row = refusedRow(this.stream.refusal ?? error);
      if (row === null) throw asDestinationError(this.stream.refusal ?? error);
      throw new RowRefused(null, row.column, row.message, { cause: error, together: true });
    }
  }
}

function sinkInto(stream: Writable, ended: Promise<void>, socket: Writable): Sink {
  const write = (bytes: Buffer) =>
    new Promise<boolean>((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(socket.writableLength === 0);
      });
    });
  const end = ended.then(() => false);
  end.catch(() => undefined);
  return (bytes) => Promise.race([end, write(bytes)]);
}
