import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DuckDb } from '@sluice/connectors';
import { CsvReader } from '../../libs/connectors/src/formats/csv/csv-reader';
import { aPlan, copied, copiedTexts, diskFile, LIMITS, memoryFile, SMALL_DUCKDB, texts } from '../support/copy-rows';

/** The CSV of https://github.com/maxogden/csv-spectrum, each beside what it means, as JSON. */
const FOLDER = dirname(require.resolve('csv-spectrum'));
const NAMES = readdirSync(join(FOLDER, 'csvs')).map((name) => name.replace(/\.csv$/, ''));

const duckDb = new DuckDb(SMALL_DUCKDB);
const reader = new CsvReader(duckDb, LIMITS);
afterAll(() => duckDb.close());

/** Where the package contradicts itself: the twin has another phone number than the CSV (version 2.0.0). */
const CORRECTIONS: Record<string, Record<string, string>> = {
  location_coordinates: { 'Contact Phone Number': '2095257564' },
};

function meaningOf(name: string): Record<string, string>[] {
  const meaning = JSON.parse(readFileSync(join(FOLDER, 'json', `${name}.json`), 'utf8'));
  const records: Record<string, string>[] = Array.isArray(meaning) ? meaning : [meaning];
  return records.map((record) => ({ ...record, ...CORRECTIONS[name] }));
}

test('all twelve files are here', () => {
  expect(NAMES).toHaveLength(12);
});

test.each(NAMES)('every value of %s.csv is the one of its twin', async (name) => {
  const file = await diskFile(join(FOLDER, 'csvs', `${name}.csv`));
  const { columns, dialect } = await reader.infer([file], {}, Infinity);
  const plan = aPlan({ columns: columns.map(({ source }) => ({ source, name: source, type: 'text' })), dialect });
  const expected = meaningOf(name);
  expect(columns.map(({ source }) => source)).toEqual(Object.keys(expected[0] ?? {}));
  const rows = await copiedTexts(await reader.open(file, plan));
  expect(rows).toEqual(expected.map((record) => Object.values(record)));
});

test.each(NAMES)('%s.csv reads the same cut at any byte, also where bad rows are left out', async (name) => {
  const content = readFileSync(join(FOLDER, 'csvs', `${name}.csv`));
  const { columns, dialect } = await reader.infer([memoryFile(content)], {}, Infinity);
  const plan = aPlan({
    columns: columns.map(({ source }) => ({ source, name: source, type: 'text' })),
    dialect,
    badRows: 'reject',
  });
  const whole = await copied(await reader.open(memoryFile(content), plan));
  for (let pieceBytes = 1; pieceBytes < content.length; pieceBytes++) {
    const { rows, rejections } = await copied(await reader.open(memoryFile(content, { pieceBytes }), plan));
    expect({ rows: texts(rows), rejections }).toEqual({ rows: texts(whole.rows), rejections: [] });
  }
});
