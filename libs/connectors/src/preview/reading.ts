import { Readable } from 'node:stream';
import { BadFile } from '../errors';
import type { Files, ReadablePart } from '../files';
import type { FileInput, OpenedFile, ReadPlan, Rejection, Sink } from '../formats/format-reader';
import type { SourceEntry } from '../sources/source';
import { TupleReader } from './tuples';

export interface Wanted {
  plan: ReadPlan;
  /** Takes a row as text, in the order of `columns`; `null`: rows are only counted. False: it has seen enough. */
  take: ((row: (string | null)[], columns: readonly string[]) => boolean) | null;
  reject: (rejection: Rejection) => void;
  /** Expanded bytes that are read of the file, or sent of it where bytes cannot be counted, at most. */
  budget: number;
}

export interface Reading {
  /** Sent and rejected. */
  rows: number;
  /** Expanded bytes that were read; 0 where they cannot be counted. */
  read: number;
  /** The file was read to its end. */
  whole: boolean;
  /** Why it could not be read (on). */
  fault: BadFile | null;
}

/** Raised into a reader to make it stop; never leaves this file. */
class Enough extends Error {}

/** Reads a file from its start until there is enough. Raises nothing of the file's own. */
export async function readSome(
  files: Files,
  entry: SourceEntry,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Reading> {
  const reading: Reading = { rows: 0, read: 0, whole: true, fault: null };
  try {
    const { file, parts } = await files.open(entry);
    try {
      for (const part of parts) if (reading.whole) await readPart(part, wanted, reading, signal);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    reading.fault = error;
    reading.whole = false;
  }
  return reading;
}

async function readPart(
  { input, reader }: ReadablePart,
  wanted: Wanted,
  reading: Reading,
  signal: AbortSignal,
): Promise<void> {
  const opened = await reader.open(counted(input, wanted.budget, reading), wanted.plan);
  try {
    await opened.copyTo({
      ...{ loadId: 0n, numbered: false, refused: new Map(), signal },
      sink: sinkOf(opened, wanted, reading),
      reject: (rejection) => {
        // What comes after the end was cut is no fault of the file.
        if (!reading.whole) return;
        reading.rows += 1;
        wanted.reject(rejection);
      },
    });
  } catch (error) {
    // What is wrong where the end was cut is no fault of the file either.
    if (reading.whole || !(error instanceof Enough || error instanceof BadFile)) throw error;
  } finally {
    opened.close();
  }
}

function sinkOf({ columns }: OpenedFile, { take, budget }: Wanted, reading: Reading): Sink {
  const names = columns.map(({ name }) => name);
  const [tuples, width] = [new TupleReader(), take === null ? 0 : names.length];
  let sent = 0;
  return (bytes) => {
    sent += bytes.length;
    let enough = reading.read === 0 && sent > budget;
    for (const row of tuples.read(bytes, width)) {
      reading.rows += 1;
      enough ||= take?.(row, names) === false;
    }
    if (!enough) return Promise.resolve(true);
    reading.whole = false;
    return Promise.reject(new Enough());
  };
}

/** The same input, which ends where the budget does. A reader may begin anew: what it opened last counts, the rest may still read ahead. */
function counted(input: FileInput, budget: number, reading: Reading): FileInput {
  const before = reading.read;
  let opened = 0;
  const open = (): Readable => {
    const mine = (opened += 1);
    const count = (read: number, cut: boolean): void => {
      if (mine === opened) Object.assign(reading, { read: before + read, whole: !cut });
    };
    count(0, false);
    return Readable.from(upTo(input.open(), budget - before, count), { objectMode: true, highWaterMark: 1 });
  };
  return { path: input.path, bytes: input.bytes, open, localPath: () => input.localPath() };
}

async function* upTo(
  bytes: Readable,
  budget: number,
  count: (read: number, cut: boolean) => void,
): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    read += chunk.length;
    count(read, false);
    yield chunk;
    if (read < budget) continue;
    count(read, true);
    return;
  }
}
