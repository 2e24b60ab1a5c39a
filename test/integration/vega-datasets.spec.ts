import { execFileSync } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { dataPlane, type Plane } from '../support/data-plane';

/** Files nobody here wrote, each counted by readers that have nothing to do with ours. */
const FOLDER = join(__dirname, '../../node_modules/vega-datasets/data');

type Row = Record<string, unknown>;

interface Case {
  file: string;
  /** Column in the table and field in the file whose sums are compared; `null`: only the rows are. */
  sum: [column: string, field: string] | null;
}

const CASES: Case[] = [
  { file: 'airports.csv', sum: ['latitude', 'latitude'] },
  { file: 'birdstrikes.csv', sum: ['cost_total', 'Cost Total $'] },
  { file: 'co2-concentration.csv', sum: ['co2', 'CO2'] },
  { file: 'earthquakes.json', sum: null },
  { file: 'flights-2k.json', sum: ['distance', 'distance'] },
  { file: 'gapminder.json', sum: ['pop', 'pop'] },
  { file: 'movies.json', sum: ['us_gross', 'US Gross'] },
  { file: 'seattle-weather.csv', sum: ['precipitation', 'precipitation'] },
  { file: 'us-employment.csv', sum: ['nonfarm', 'nonfarm'] },
];

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
afterAll(() => plane.close());

describe.each(CASES)('$file', ({ file, sum }) => {
  const there = existsSync(join(FOLDER, file));
  const run = there ? it : it.skip;

  run(
    there ? 'has the rows and the sum that an independent reader counts' : 'is not in this version of vega-datasets',
    async () => {
      const expected = independentRows(file);
      const table = `t_${file.replace(/\W/g, '_')}`;
      await plane.write(`${table}/keep.txt`, '');
      await copyFile(join(FOLDER, file), join(plane.folder, table, file));
      const outcome = await plane.run(await plane.order({ pattern: `${table}/${file}`, table }));
      expect(outcome.errors).toEqual([]);
      expect(outcome.metrics.rows_ingested).toBe(expected.length);
      const [counted] = await plane.rows<{ count: string }>(`SELECT count(*) FROM ${table}`);
      expect(Number(counted?.count)).toBe(expected.length);
      if (sum !== null)
        expect(await sumOf(table, sum[0])).toBeCloseTo(
          expected.reduce((total, row) => total + Number(row[sum[1]] ?? 0), 0),
          3,
        );
    },
  );
});

it('flights-3m.parquet has the rows and the sums that an independent reader counts', async () => {
  const file = join(FOLDER, 'flights-3m.parquet');
  await plane.write('flights/flights-3m.parquet', await readFile(file));
  const outcome = await plane.run(await plane.order({ pattern: 'flights/*.parquet', table: 'flights' }));
  expect(outcome.errors).toEqual([]);
  const { rows, sums } = countedParquet(file);
  expect(outcome.metrics.rows_ingested).toBe(rows);
  expect(Object.keys(sums).length).toBeGreaterThan(0);
  for (const [column, sum] of Object.entries(sums))
    expect(await sumOf('flights', column.toLowerCase())).toBeCloseTo(sum, 0);
}, 120_000);

/** hyparquet is an ES module, which Jest cannot load: it counts in a process of its own. */
function countedParquet(file: string): { rows: number; sums: Record<string, number> } {
  const program = `
    import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
    import { compressors } from 'hyparquet-compressors';
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(process.argv[1]), compressors });
    const numbers = Object.keys(rows[0]).filter((name) => ['number', 'bigint'].includes(typeof rows[0][name]));
    const sums = Object.fromEntries(numbers.map((name) => [name, rows.reduce((total, row) => total + Number(row[name] ?? 0), 0)]));
    console.log(JSON.stringify({ rows: rows.length, sums }));`;
  const output = execFileSync(
    process.execPath,
    ['--max-old-space-size=4096', '--input-type=module', '-e', program, file],
    { cwd: __dirname },
  );
  return JSON.parse(output.toString()) as { rows: number; sums: Record<string, number> };
}

function independentRows(file: string): Row[] {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  if (file.endsWith('.csv')) return parse(text, { columns: true, bom: true, relax_quotes: false }) as Row[];
  const parsed = JSON.parse(text) as Row | Row[];
  return Array.isArray(parsed) ? parsed : [parsed];
}

async function sumOf(table: string, column: string): Promise<number> {
  const [row] = await plane.rows<{ sum: string | null }>(`SELECT sum(${column}::numeric) AS sum FROM ${table}`);
  return Number(row?.sum);
}
