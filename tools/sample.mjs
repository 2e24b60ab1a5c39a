/** Makes `data/sample` again from the files of the development dependency `vega-datasets` (data/sample/README.md tells where those come from). */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { ROOT } from './stack/folders.mjs';

const SOURCE = join(ROOT, 'node_modules', 'vega-datasets', 'data');
const TARGET = join(ROOT, 'data', 'sample');

/** @param {string} name */
const original = (name) => readFile(join(SOURCE, name), 'utf8');

/** @param {string} path below data/sample @param {string | Buffer} content */
async function save(path, content) {
  await writeFile(join(TARGET, path), content);
}

/** CSV, one file for each year. */
async function weather() {
  const [header = '', ...lines] = (await original('seattle-weather.csv')).trimEnd().split(/\r?\n/);
  for (const year of new Set(lines.map((line) => line.slice(0, 4)))) {
    await save(
      `seattle_weather/${year}.csv`,
      [header, ...lines.filter((line) => line.startsWith(year)), ''].join('\n'),
    );
  }
}

/** CSV, compressed. */
async function employment() {
  await save('us_employment/us-employment.csv.gz', gzipSync(await original('us-employment.csv'), { level: 9 }));
}

/** One JSON array. */
async function flights() {
  await save('flights/flights-2k.json', await original('flights-2k.json'));
}

/** NDJSON: one earthquake a line instead of one GeoJSON document, with times as ISO 8601. */
async function earthquakes() {
  const { features } = JSON.parse(await original('earthquakes.json'));
  await save(
    'earthquakes/all-week.ndjson',
    features.map((/** @type {any} */ feature) => `${JSON.stringify(earthquake(feature))}\n`).join(''),
  );
}

/** @param {any} feature */
function earthquake({ id, geometry, properties }) {
  const { time, updated, mag, magType, place, type, status, tsunami, sig, net, nst, dmin, rms, gap } = properties;
  const moments = { time: new Date(time).toISOString(), updated: new Date(updated).toISOString() };
  return {
    id,
    ...moments,
    mag,
    mag_type: magType,
    place,
    type,
    status,
    tsunami,
    sig,
    net,
    nst,
    dmin,
    rms,
    gap,
    geometry,
  };
}

/** Parquet. */
async function birdstrikes() {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const [from, to] = [join(SOURCE, 'birdstrikes.csv'), join(TARGET, 'birdstrikes', 'birdstrikes.parquet')];
  await connection.run(
    `COPY (FROM read_csv('${from}', sample_size = -1)) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  );
  connection.closeSync();
}

const TABLES = { seattle_weather: weather, us_employment: employment, birdstrikes, earthquakes, flights };
for (const [table, make] of Object.entries(TABLES)) {
  await rm(join(TARGET, table), { recursive: true, force: true });
  await mkdir(join(TARGET, table), { recursive: true });
  await make();
}
