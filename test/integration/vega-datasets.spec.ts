import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { copyFileSync, readdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { Client, escapeIdentifier } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { dataPlane, type Plane } from '../support/data-plane';
import { expectedIn, independentRows, type IndependentRows, shownIn } from '../support/independent-values';

/**
 * Files nobody here wrote: every one of the package vega-datasets, through the whole of a run, each value compared with what readers say that have
 * nothing to do with ours. A file of JSON that is one object (GeoJSON, TopoJSON, a grid) is one record, as it is for everyone who reads NDJSON.
 */
const FOLDER = join(__dirname, '../../node_modules/vega-datasets/data');
const FILES = readdirSync(FOLDER).sort();
const isOf = (...endings: string[]) => FILES.filter((file) => endings.includes(extname(file)));

/** Files that are one object and no list of them. */
const ONE_OBJECT = [
  ...['annual-precip.json', 'earthquakes.json', 'londonBoroughs.json', 'londonTubeLines.json', 'miserables.json'],
  ...['us-10m.json', 'volcano.json', 'world-110m.json'],
];

const table = (file: string) => `t_${file.replace(/\W/g, '_').toLowerCase()}`;

interface Column {
  source: string;
  name: string;
  type: string;
}

let plane: Plane;
const told: string[] = [];
beforeAll(async () => {
  plane = await dataPlane();
});
afterAll(async () => {
  await plane.close();
  process.stdout.write(`vega-datasets: file, rows, values compared, types\n${told.join('\n')}\n`);
});
jest.setTimeout(180_000);

async function loaded(file: string): Promise<{ columns: Column[]; rows: number }> {
  await copyFile(join(FOLDER, file), join(plane.folder, file));
  const order = await plane.order({ pattern: file, table: table(file) });
  const outcome = await plane.run(order);
  expect(outcome.errors).toEqual([]);
  const [version] = await plane.control<{ columns: Column[] }>(
    `SELECT columns FROM sluice_control.schema_version WHERE ingestion_id = '${order.id}' ORDER BY version DESC LIMIT 1`,
  );
  return { columns: version?.columns ?? [], rows: outcome.metrics.rows_ingested };
}

function tell(file: string, columns: readonly Column[], rows: number): void {
  const types = [...new Set(columns.map(({ type }) => type))].map(
    (type) => `${columns.filter((column) => column.type === type).length} ${type}`,
  );
  told.push([file, rows, rows * columns.length, types.join(' + ')].join(', '));
}

/** The first rows that are not in both. Rows have no order in a table, so they are compared sorted. */
async function differences(file: string, columns: readonly Column[], expected: IndependentRows): Promise<unknown> {
  const list = columns.map(({ name }) => `${escapeIdentifier(name)}::text`).join(', ');
  const rows = await plane.rows<Record<string, string | null>>(`SELECT ${list} FROM ${escapeIdentifier(table(file))}`);
  const ours = rows.map((row) => columns.map(({ type, name }) => shownIn(type, row[name] ?? null)));
  const theirs = expected.rows.map((row) => columns.map(({ type, source }) => expectedIn(type, row.get(source))));
  return { onlyInTable: without(ours, theirs), onlyInFile: without(theirs, ours) };
}

function without(rows: readonly unknown[], others: readonly unknown[]): string[] {
  const left = new Map<string, number>();
  for (const key of others.map((row) => JSON.stringify(row))) left.set(key, (left.get(key) ?? 0) + 1);
  const lacking = rows
    .map((row) => JSON.stringify(row))
    .filter((key) => {
      const count = left.get(key) ?? 0;
      left.set(key, count - 1);
      return count <= 0;
    });
  return lacking.slice(0, 3);
}

it('holds the files this was written for', () => {
  expect(FILES).toHaveLength(73);
  expect(isOf('.csv', '.tsv')).toHaveLength(24);
  expect(isOf('.json')).toHaveLength(44);
});

it.each(isOf('.csv', '.tsv', '.json'))('every value of %s is in the table', async (file) => {
  const { columns, rows } = await loaded(file);
  const expected = independentRows(join(FOLDER, file));
  expect(columns.map(({ source }) => source).sort()).toEqual([...expected.columns].sort());
  expect(rows).toBe(expected.rows.length);
  expect(ONE_OBJECT.includes(file) ? rows : 1).toBe(1);
  expect(await differences(file, columns, expected)).toEqual({ onlyInTable: [], onlyInFile: [] });
  tell(file, columns, rows);
});

it('every value of flights-3m.parquet is in the table', async () => {
  const { columns, rows } = await loaded('flights-3m.parquet');
  expect(rows).toBe(3_000_000);
  const [ours, theirs] = await Promise.all([sumOfTable('flights-3m.parquet', columns), sumOfParquet()]);
  expect(ours).toEqual(theirs);
  tell('flights-3m.parquet', columns, rows);
});

it.each(isOf('.png', '.arrow'))('%s is of no format we know, and the run says so', async (file) => {
  copyFileSync(join(FOLDER, file), join(plane.folder, file));
  const outcome = await plane.run(await plane.order({ pattern: file, table: table(file) }));
  expect(outcome.status).toBe('failed');
  expect(outcome.errors).toEqual([
    expect.objectContaining({
      file,
      message: expect.stringContaining(`${file} cannot be told from its name. Set format.type to`),
    }),
  ]);
  told.push(`${file}: refused`);
});

/** The rows as lines of text, in whatever order. */
async function sumOfTable(file: string, columns: readonly Column[]): Promise<RowSum> {
  const client = new Client({ connectionString: plane.destinationUrl });
  await client.connect();
  const list = columns.map(({ name }) => escapeIdentifier(name)).join(', ');
  const sum = await sumOf(client.query(copyTo(`COPY ${escapeIdentifier(table(file))} (${list}) TO STDOUT`)));
  await client.end();
  return sum;
}

/** hyparquet is an ES module, which Jest cannot load: it reads in a process of its own and writes lines like those of COPY. */
async function sumOfParquet(): Promise<RowSum> {
  const program = `
    import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
    import { compressors } from 'hyparquet-compressors';
    const file = await asyncBufferFromFile(process.argv[1]);
    const metadata = await parquetMetadataAsync(file);
    const shown = (value) => value === null || value === undefined ? '\\\\N'
      : value instanceof Date ? value.toISOString().replace('T', ' ').replace(/(\\.000)?Z$/, '') : String(value);
    let start = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rows = await parquetReadObjects({ file, metadata, compressors, rowStart: start, rowEnd: start + Number(num_rows) });
      start += Number(num_rows);
      const text = rows.map((row) => Object.values(row).map(shown).join('\\t') + '\\n').join('');
      await new Promise((resolve) => process.stdout.write(text, resolve));
    }`;
  const options = ['--max-old-space-size=2048', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, [...options, join(FOLDER, 'flights-3m.parquet')], {
    cwd: __dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return sumOf(child.stdout);
}

interface RowSum {
  rows: number;
  /** The sums of 24 bits each of the rows' hashes: equal for the same rows in any order. */
  sums: number[];
}

async function sumOf(lines: Readable): Promise<RowSum> {
  const sum: RowSum = { rows: 0, sums: [0, 0, 0, 0, 0] };
  let open = '';
  for await (const text of lines.setEncoding('utf8') as AsyncIterable<string>) {
    const whole = (open + text).split('\n');
    open = whole.pop() ?? '';
    for (const line of whole) addRow(sum, line);
  }
  expect(open).toBe('');
  return sum;
}

function addRow(sum: RowSum, line: string): void {
  const digest = hash('md5', line, 'buffer');
  sum.rows++;
  for (const n of sum.sums.keys()) sum.sums[n] = (sum.sums[n] ?? 0) + digest.readUIntBE(3 * n, 3);
}
