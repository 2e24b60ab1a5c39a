import { randomUUID } from 'node:crypto';
import { constants, rmSync } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted } from '../../duckdb';
import { withNanoseconds } from './nanosecond-footer';
import type { ParquetColumn } from './parquet-column';
import { tableAt } from './parquet-file';

/** The last bytes of a file: the length of its footer, and a mark. */
const END_BYTES = 8;

/** A file beside a copy of it that shows the nanoseconds which DuckDB cuts off of the file's own moments. */
export interface WithNanoseconds {
  /** All columns of the file, and one more for each of those that were cut. */
  table: string;
  found: readonly ParquetColumn[];
  /** Removes the copy. */
  remove: () => void;
}

/** Looks at the columns that are `cut`. The copy lies in `folder`; where the file system can, it shares its blocks with the file. */
export async function besideNanoseconds(
  path: string,
  found: readonly ParquetColumn[],
  folder: string,
): Promise<WithNanoseconds> {
  await mkdir(folder, { recursive: true });
  const copy = join(folder, `sluice-${randomUUID()}.parquet`);
  const remove = () => {
    rmSync(copy, { force: true });
  };
  try {
    await copyFile(path, copy, constants.COPYFILE_FICLONE);
    await rewriteFooter(copy);
  } catch (error) {
    remove();
    throw error;
  }
  const longest = Math.max(0, ...found.map(({ name }) => name.length));
  const named = found.map((column, index) => {
    return column.cut === null ? column : { ...column, rest: `${'r'.repeat(longest)}${index}` };
  });
  const rests = named.flatMap((column) =>
    column.rest === null ? [] : [`${restOf(column)} AS ${quoted(column.rest)}`],
  );
  const table = `(SELECT * FROM ${tableAt(path)} POSITIONAL JOIN (SELECT ${rests.join(', ')} FROM ${tableAt(copy)}))`;
  return { table, found: named, remove };
}

/** Nanoseconds behind the microsecond that is left (before it and negative, before 1970). INT96 begins with those of the day, the lowest byte first. */
function restOf({ name, cut }: ParquetColumn): string {
  if (cut === 'utc') return `epoch_ns(${quoted(name)}) % 1000`;
  const digits = [15, 13, 11, 9, 7, 5, 3, 1].map((at) => `hex(${quoted(name)})[${at}:${at + 1}]`);
  return `('0x' || ${digits.join(' || ')})::BIGINT % 1000`;
}

async function rewriteFooter(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const end = await bytesAt(file, size - END_BYTES, END_BYTES);
    const from = size - END_BYTES - end.readUInt32LE(0);
    const footer = withNanoseconds(await bytesAt(file, from, end.readUInt32LE(0)));
    end.writeUInt32LE(footer.length, 0);
    await file.truncate(from);
    await file.write(Buffer.concat([footer, end]), 0, footer.length + END_BYTES, from);
  } finally {
    await file.close();
  }
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer;
}
