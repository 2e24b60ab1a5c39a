import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDb, type FormatName, formatReaders, type InferredColumn } from '@sluice/connectors';
import { memoryFile } from '../support/copy-rows';
import { diskFile } from '../support/load-file';

/** docs/types.md says which type a column gets; the readers say it too, of files with everything there is. */
const ROOT = join(__dirname, '../..');
const FIXTURES = join(ROOT, 'test/fixtures');
const duckDb = new DuckDb({ memoryMb: 160, threads: 2, tempDir: tmpdir() });
const readers = formatReaders(duckDb, { recordBytes: 64 * 1024 * 1024, columns: 1598, depth: 512 });
afterAll(() => duckDb.close());

/** The rows of the table in a section, without its head; cells without the marks of code. */
function tableOf(section: string): string[][] {
  const page = readFileSync(join(ROOT, 'docs/types.md'), 'utf8');
  const text = page.split(/^## /m).find((part) => part.startsWith(section)) ?? '';
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
  );
}

async function declared(format: 'parquet' | 'avro'): Promise<InferredColumn[]> {
  const names = readdirSync(join(FIXTURES, format)).filter((name) => name.endsWith(`.${format}`));
  const found = names.map(async (name) => {
    const file = await diskFile(join(FIXTURES, format, name));
    return (await readers[format].infer([file], {}, Infinity)).columns;
  });
  return (await Promise.all(found)).flat();
}

/** `INT64 (DECIMAL(18,4))` -> `INT64 (DECIMAL(p,s))` */
function kindOf({ why }: InferredColumn): string {
  return why
    .replace(/^The file declares (.*)\.$/, '$1')
    .replace(/(decimal)\(\d+,\d+\)/i, '$1(p,s)')
    .replace(/^a union of .*/, 'a union of several types');
}

it.each([
  ['Parquet', 'parquet'],
  ['Avro', 'avro'],
] as const)('the table of %s says what the reader makes of each type, and leaves none out', async (section, format) => {
  const made = Object.fromEntries((await declared(format)).map((column) => [kindOf(column), column.type]));
  const written = Object.fromEntries(tableOf(section).map(([kind, type]) => [kind, type]));
  expect(written).toEqual(made);
});

async function inferred(format: FormatName, content: string): Promise<string | undefined> {
  const file = memoryFile(content, { path: `a.${format}` });
  const given = format === 'csv' ? { delimiter: ',', quote: '"', escape: '"', header: true } : {};
  return (await readers[format].infer([file], given, Infinity)).columns[0]?.type;
}

describe('the table of CSV and JSON says what is made of', () => {
  it.each(tableOf('CSV and JSON'))('%s', async (value = '', csv, json) => {
    const inCsv = value.startsWith('"') ? value : `"${value.replaceAll('"', '""')}"`;
    expect(await inferred('csv', `v,w\n${inCsv},1\n`)).toBe(csv);
    if (json !== '') expect(await inferred('json', `{"v": ${value}}\n`)).toBe(json);
  });
});
