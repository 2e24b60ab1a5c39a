import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { ZipFile } from 'yazl';
import type { Preview } from '@sluice/connectors';
import { PREVIEW_EXAMPLE } from '../../apps/api/src/ingestions/ingestion.bodies';
import { startApi, type Api } from '../support/api';

/** The preview as it is made: the real program, on real files. */
const ROOT = join(__dirname, '../..');
let api: Api;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-preview-files-'));
  api = await startApi({
    SLUICE_FILE_ROOTS: `${folder}:${join(ROOT, 'data')}`,
    SLUICE_PREVIEW_COMMAND: `'${process.execPath}' test/support/preview-program.mjs`,
    SLUICE_RUNNER_WORKING_DIR: ROOT,
  });
});
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});
jest.setTimeout(30_000);

let folders = 0;
/** A folder with these files. */
async function withFiles(files: Record<string, string | Buffer>): Promise<string> {
  const path = join(folder, String((folders += 1)));
  await mkdir(path);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content);
  }
  return path;
}

async function zipped(name: string, content: Buffer): Promise<Buffer> {
  const archive = new ZipFile();
  archive.addBuffer(content, name);
  archive.end();
  return buffer(archive.outputStream);
}

async function previewOf(path: string, fields: object = {}): Promise<Preview> {
  const body = { source: { type: 'file', path }, ...fields };
  const response = await api.call('post', '/ingestions/preview', body);
  if (response.status !== 200) throw new Error(response.text);
  return response.body as Preview;
}

const rowsOf = (count: number, row: (n: number) => string) =>
  Array.from({ length: count }, (_, index) => row(index + 1)).join('');
const ANY = expect.any(String);

describe('a preview of files', () => {
  it('shows columns with their types and why, first rows as text, and how much there is', async () => {
    const first = 'Id;Cost Total $;zip;note\n1;2.50;007;\n2;3.25;010;\n';
    const second = 'Id;Cost Total $;zip;note\n3;1.00;012;\n';
    const path = await withFiles({ 'a.csv': first, 'b.csv': second });
    expect(await previewOf(path)).toEqual({
      columns: [
        { source: 'Id', name: 'id', type: 'bigint', why: ANY },
        { source: 'Cost Total $', name: 'cost_total', type: 'double precision', why: ANY },
        { source: 'zip', name: 'zip', type: 'text', why: expect.stringContaining('"007"') },
        { source: 'note', name: 'note', type: 'text', why: ANY },
      ],
      rows: [
        { id: '1', cost_total: '2.50', zip: '007', note: null },
        { id: '2', cost_total: '3.25', zip: '010', note: null },
      ],
      files: 2,
      bytes: first.length + second.length,
      estimated_rows: 3,
      rejected: [],
      warnings: [
        'Names are changed for the table: "Id" becomes id, "Cost Total $" becomes cost_total.',
        'Without any value in the first 2 rows of one file: "note".',
      ],
    });
  });

  it('works as the example of the documentation stands', async () => {
    const found = await previewOf(join(ROOT, PREVIEW_EXAMPLE.source.path), {
      source: { ...PREVIEW_EXAMPLE.source, path: join(ROOT, PREVIEW_EXAMPLE.source.path) },
    });
    expect([found.files, found.estimated_rows, found.rows.length, found.rejected]).toEqual([4, 1461, 20, []]);
  });

  it('shows rows that would be refused, with line, column and reason, and goes on', async () => {
    const path = await withFiles({ 'a.csv': 'id,n\n1,1\n2,two\n3,3\n4,4,4\n' });
    const schema = { columns: { n: 'int' } };
    const { rejected, rows, estimated_rows } = await previewOf(path, { schema });
    expect(rejected[0]).toEqual({
      ...{ file: 'a.csv', line: 3, column: 'n', raw: '2,two' },
      reason: expect.stringContaining('"two"'),
    });
    expect(rejected[1]).toMatchObject({ file: 'a.csv', line: 5, raw: '4,4,4' });
    expect([rejected.length, rows.length, estimated_rows]).toEqual([2, 3, 4]);
  });

  it('reads as the format says', async () => {
    const path = await withFiles({ 'a.txt': Buffer.from('x\nBetrag|Tag\n1,5|24.12.2025\nn/a|\xfcber\n', 'latin1') });
    const options = {
      ...{ delimiter: '|', skip_lines: 1, decimal: ',', encoding: 'windows-1252' },
      ...{ date_format: 'DD.MM.YYYY', null_values: ['n/a'] },
    };
    const { columns, rows } = await previewOf(path, { format: { type: 'csv', options } });
    expect(columns.map(({ type }) => type)).toEqual(['double precision', 'text']);
    expect(rows[1]).toEqual({ betrag: null, tag: 'über' });
  });

  it('shows nested values as JSON, and values of Parquet as text', async () => {
    const path = await withFiles({ 'a.ndjson': '{"id":1,"tags":{"a":[1]}}\n{"id":2,"new":true}\n' });
    const { columns, rows } = await previewOf(path);
    expect(columns.map(({ name, type }) => [name, type])).toEqual([
      ['id', 'bigint'],
      ['tags', 'jsonb'],
      ['new', 'boolean'],
    ]);
    expect(rows).toEqual([
      { id: '1', tags: '{"a":[1]}', new: null },
      { id: '2', tags: null, new: 'true' },
    ]);
    const birds = await previewOf(join(ROOT, 'data/sample/birdstrikes'));
    expect(birds.rows).toHaveLength(20);
    expect(Object.values(birds.rows[0] ?? {}).join('')).not.toContain('\ufffd');
    expect(birds.rejected).toEqual([]);
  });

  it('looks into compressed files', async () => {
    const path = await withFiles({ 'a.csv.gz': gzipSync('id\n1\n2\n') });
    expect(await previewOf(path)).toMatchObject({ files: 1, rows: [{ id: '1' }, { id: '2' }], estimated_rows: 2 });
  });

  it('opens no more than 256 MiB of a file, and says so', async () => {
    const rows = Buffer.alloc(257 * 1024 * 1024, '1234567\n');
    rows.write('id     \n');
    const path = await withFiles({ 'a.csv': 'id\n1\n', 'b.zip': await zipped('b.csv', rows) });
    const { columns, rejected, warnings } = await previewOf(path);
    expect([columns.map(({ name }) => name), rejected]).toEqual([['id'], []]);
    expect(warnings).toContain(
      'b.zip was not looked at, or not to its end: it expands to more than a preview opens. A run may still load it.',
    );
  });

  it('says which file cannot be read, and shows the others', async () => {
    const path = await withFiles({ 'a.csv.gz': gzipSync('id\n1\n').subarray(0, 12), 'b.csv': 'id\n1\n' });
    const { rejected, rows } = await previewOf(path);
    expect(rejected).toEqual([{ file: 'a.csv.gz', line: null, column: null, reason: ANY, raw: '' }]);
    expect(rows).toEqual([{ id: '1' }]);
  });
});

describe('a preview warns', () => {
  it('when nothing matches', async () => {
    const { warnings, ...rest } = await previewOf(await withFiles({ 'a.txt': 'x' }), {
      source: { type: 'file', path: join(folder, String(folders)), file_pattern: '*.csv' },
    });
    expect(rest).toEqual({ columns: [], rows: [], files: 0, bytes: 0, estimated_rows: 0, rejected: [] });
    expect(warnings).toEqual([expect.stringMatching(/^No file matches\. Check source\.path and source\.file_pattern/)]);
  });

  it('of several formats, and of names that tell none', async () => {
    const path = await withFiles({ 'a.csv': 'id\n1\n', 'b.ndjson': '{"id":2}\n', 'c.dat': '?' });
    expect((await previewOf(path)).warnings).toEqual([
      'The files are of several formats: csv, json.',
      'The format of c.dat cannot be told from the name. Set format.type, or narrow source.file_pattern.',
    ]);
  });

  it('of values that are shown cut', async () => {
    const long = 'x'.repeat(2_000);
    const { rows, warnings } = await previewOf(await withFiles({ 'a.csv': `id,text\n1,${long}\n` }));
    expect(rows).toEqual([{ id: '1', text: `${'x'.repeat(1_000)}…` }]);
    expect(warnings).toEqual(['Values of more than 1000 characters are shown cut.']);
  });

  it('of a quote that is never closed', async () => {
    const path = await withFiles({ 'a.csv': `id,text\n1,"${'x\n'.repeat(5_000_000)}` });
    const options = { delimiter: ',', quote: '"', header: true };
    const { warnings } = await previewOf(path, { format: { type: 'csv', options } });
    expect(warnings).toContainEqual(expect.stringMatching(/^No row of a\.csv ends within its first 8 MiB: /));
  });
});

describe('a preview is bounded', () => {
  it('reads a part of a large file and estimates the rest', async () => {
    const block = rowsOf(20_000, (n) => `${n},${n * 7},some text of row ${n}\n`);
    const path = await withFiles({ 'a.csv': `id,n,text\n${block.repeat(60)}` });
    const { estimated_rows, rejected, bytes } = await previewOf(path);
    expect(bytes).toBeGreaterThan(30 * 1024 * 1024);
    expect(rejected).toEqual([]);
    expect(Math.abs((estimated_rows ?? 0) - 1_200_000)).toBeLessThan(12_000);
  });

  it('counts 10,000 files and says that there are more', async () => {
    const path = await withFiles(
      Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`${String(n).padStart(5, '0')}.csv`, 'id\n1\n'])),
    );
    const { files, estimated_rows, warnings } = await previewOf(path);
    expect([files, estimated_rows]).toEqual([10_000, 10_000]);
    expect(warnings).toContain('There are more than 10000 files; only so many were counted.');
  });

  it('answers 400 when the folder is not there', async () => {
    const path = join(folder, 'missing');
    const response = await api.call('post', '/ingestions/preview', { source: { type: 'file', path } });
    expect([response.status, response.body.code, response.body.errors]).toEqual([
      400,
      'VALUE_ERROR',
      [
        {
          path: 'source.path',
          message: `The folder ${path} does not exist. Create it or correct source.path.`,
        },
      ],
    ]);
  });
});
