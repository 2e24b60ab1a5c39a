import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { writeTrips } from './trips.mjs';

const PIECE = 1 << 20;

/** @typedef {import('./options.mjs').Work} Work */
/** @typedef {ReturnType<typeof import('./options.mjs').sizes>} Sizes */

/** What is read: each in a folder of its own below `data`. @param {string} data */
export function places(data) {
  return {
    csv: join(data, 'csv', 'trips.csv'),
    parquet: join(data, 'parquet', 'trips.parquet'),
    ndjson: join(data, 'ndjson', 'trips.ndjson'),
    gz: join(data, 'gz', 'trips.csv.gz'),
    many: join(data, 'many'),
    merge: join(data, 'merge'),
    large: join(data, 'large', 'trips.csv'),
  };
}

/** Makes what the wanted works read, but for the large file, which is made when its turn comes. @param {string} data @param {Sizes} sizes @param {ReadonlySet<Work>} works */
export async function writeDatasets(data, sizes, works) {
  const at = places(data);
  for (const path of [at.csv, at.parquet, at.ndjson, at.gz]) await mkdir(dirname(path), { recursive: true });
  await writeTrips(at.csv, sizes.rows);
  if (works.has('parquet')) await copied(at.csv, at.parquet, 'FORMAT parquet, COMPRESSION snappy');
  if (works.has('ndjson')) await copied(at.csv, at.ndjson, 'FORMAT json');
  if (works.has('gz'))
    await pipeline(createReadStream(at.csv, { highWaterMark: PIECE }), createGzip(), createWriteStream(at.gz));
  if (works.has('many')) await writeMany(at.many, sizes);
}

/** The same rows in another format, as DuckDB writes it. @param {string} csv @param {string} path @param {string} format */
async function copied(csv, path, format) {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  try {
    await connection.run(`COPY (FROM read_csv(${literal(csv)})) TO ${literal(path)} (${format})`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** @param {string} text */
function literal(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/** @param {string} folder @param {Sizes} sizes */
async function writeMany(folder, { smallFiles, rowsPerSmallFile }) {
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < smallFiles; i++) {
    const path = join(folder, `part-${String(i).padStart(5, '0')}.csv`);
    await writeTrips(path, rowsPerSmallFile, { firstId: i * rowsPerSmallFile + 1, seed: i });
  }
}

/** The lines of the one CSV over and over, at least `bytes`; gives the number of rows. @param {string} csv @param {string} path @param {number} bytes @param {number} rows of the CSV */
export async function writeLarge(csv, path, bytes, rows) {
  await mkdir(dirname(path), { recursive: true });
  const body = await headerBytes(csv);
  const times = Math.ceil(bytes / ((await stat(csv)).size - body));
  for (let i = 0; i < times; i++)
    await pipeline(
      createReadStream(csv, { start: i === 0 ? 0 : body, highWaterMark: PIECE }),
      createWriteStream(path, { flags: i === 0 ? 'w' : 'a' }),
    );
  return times * rows;
}

/** @param {string} csv */
async function headerBytes(csv) {
  const file = await open(csv);
  try {
    const { buffer } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return buffer.indexOf('\n') + 1;
  } finally {
    await file.close();
  }
}

/**
 * A sentence when the disk has less free space than a file of `bytes`, its table and the server's log of it need.
 * @param {string} folder @param {number} bytes
 */
export async function lackOfSpace(folder, bytes) {
  const { bavail, bsize } = await statfs(folder);
  const [free, needed] = [bavail * bsize, bytes * 3];
  const gigabytes = (/** @type {number} */ value) => (value / 1e9).toFixed(1);
  return free >= needed
    ? null
    : `${gigabytes(needed)} GB are needed for a file of ${gigabytes(bytes)} GB and its table, and ${folder} has ${gigabytes(free)} GB free`;
}
