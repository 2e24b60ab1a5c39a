import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FormatReader } from '@sluice/connectors';
import { DuckDb } from '../../libs/connectors/src/duckdb';
import { AvroReader } from '../../libs/connectors/src/formats/avro/avro-reader';
import { ParquetReader } from '../../libs/connectors/src/formats/parquet/parquet-reader';
import { aPlan, diskFile, type LoadDesk, loadDesk } from '../support/load-file';

/** The files were written by pyarrow and fastavro (test/fixtures), which also wrote down what was put into them. */
interface Expected {
  name: string;
  type: string;
  values: (string | null)[];
}

const FIXTURES = join(__dirname, '../fixtures');
const duckDb = new DuckDb({ memoryMb: 160, threads: 2, tempDir: tmpdir() });
const READERS: Record<string, FormatReader> = {
  parquet: new ParquetReader(duckDb),
  avro: new AvroReader({ recordBytes: 64 * 1024 * 1024, columns: 1598, depth: 512 }),
};

let desk: LoadDesk;
beforeAll(async () => {
  desk = await loadDesk();
});
afterAll(async () => {
  await duckDb.close();
  await desk.close();
});

function expectedOf(format: string): [name: string, columns: Expected[]][] {
  const text = readFileSync(join(FIXTURES, format, 'expected.json'), 'utf8');
  return Object.entries(JSON.parse(text) as Record<string, Expected[]>);
}

/** Loads a file into a table of the types that it declares; returns both. */
async function load(format: string, name: string): Promise<{ table: string; types: string[] }> {
  const file = await diskFile(join(FIXTURES, format, `${name}.${format}`));
  const reader = READERS[format] as FormatReader;
  const { columns } = await reader.infer([file], {}, Infinity);
  const plan = aPlan(columns.map(({ source, type }) => ({ source, name: source, type })));
  const table = await desk.table(plan.columns);
  await desk.load(table, await reader.open(file, plan), plan);
  return { table, types: columns.map(({ source, type }) => `${source} ${type}`) };
}

/** Where the column does not show what was put in: equal as jsonb, the very same text for all other types. */
async function differences(table: string, { name, type, values }: Expected): Promise<unknown[]> {
  const shown = type === 'jsonb' ? `t."${name}" IS DISTINCT FROM e.v::jsonb` : `t."${name}"::text IS DISTINCT FROM e.v`;
  const { rows } = await desk.client.query(
    `SELECT '${name}' AS column, e.place, e.v AS put_in, t."${name}"::text AS loaded
     FROM unnest($1::text[]) WITH ORDINALITY AS e (v, place)
     FULL JOIN ${table} t ON t._row = e.place WHERE ${shown} OR t._row IS NULL OR e.place IS NULL`,
    [values],
  );
  return rows;
}

describe.each(['parquet', 'avro'])(
  'every value that was put into a file of the format %s is in the table:',
  (format) => {
    it.each(expectedOf(format))('%s', async (name, columns) => {
      const { table, types } = await load(format, name);
      expect(types).toEqual(columns.map((column) => `${column.name} ${column.type}`));
      for (const column of columns) expect(await differences(table, column)).toEqual([]);
    });
  },
);
