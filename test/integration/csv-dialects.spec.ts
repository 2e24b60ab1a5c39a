import { gzipSync } from 'node:zlib';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ColumnType, type CsvDialect, DuckDb, type LoadColumn } from '@sluice/connectors';
import { CsvReader } from '../../libs/connectors/src/formats/csv/csv-reader';
import { aPlan, LIMITS, memoryFile } from '../support/copy-rows';
import { type CopyServer, copyServer } from '../support/copy-table';

let server: CopyServer;
let duckDb: DuckDb;
let folder: string;
let reader: CsvReader;

beforeAll(async () => {
  server = await copyServer();
  folder = await mkdtemp(join(tmpdir(), 'sluice-sniff-'));
  duckDb = new DuckDb({ memoryMb: 64, threads: 1, tempDir: folder });
  reader = new CsvReader(duckDb, LIMITS);
});
afterAll(async () => {
  await duckDb.close();
  await server.close();
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
});

const RESCUING = { unknown: 'report', unfit: 'rescue' } as const;

/** Infers the columns, loads the file into them and tells both. */
async function inferred(content: string | Buffer, given: Partial<CsvDialect> = {}, path = 'a.csv') {
  const file = memoryFile(content, { path });
  const { columns, dialect } = await reader.infer([file], given, Infinity);
  const planned = columns.map(({ source, type }) => ({ source, name: source, type }));
  const { rows } = await server.load(await reader.open(file, aPlan({ ...RESCUING, columns: planned, dialect, given })));
  const types = Object.fromEntries(columns.map(({ source, type }) => [source, type]));
  expect(rows.filter(({ _rescued }) => _rescued !== null)).toEqual([]);
  return { dialect, types, rows: rows.map(({ _rescued: _, ...row }) => row) };
}

/** Which of these texts a column of the type takes, and as what. */
async function taken(
  type: ColumnType,
  values: readonly string[],
  given: Partial<CsvDialect> = {},
  more: Partial<LoadColumn> = {},
) {
  const content = `n|v\n${values.map((value, n) => `${n}|${value}\n`).join('')}`;
  const columns = [
    { source: 'n', name: 'n', type: 'bigint' },
    { source: 'v', name: 'v', type, ...more },
  ] as const;
  const plan = aPlan({ ...RESCUING, columns, given: { delimiter: '|', header: true, ...given } });
  const { rows } = await server.load(await reader.open(memoryFile(content), plan));
  return Object.fromEntries(rows.map((row, n) => [values[n], row['v']]));
}

it('a folder for copies without room is told by its setting', async () => {
  const tempDir = join(folder, 'a file');
  await writeFile(tempDir, '');
  const blocked = new DuckDb({ memoryMb: 64, threads: 1, tempDir });
  const sniffing = new CsvReader(blocked, LIMITS).infer([memoryFile('a,b\n1,2\n', { path: 'a.csv' })], {}, Infinity);
  await expect(sniffing).rejects.toMatchObject({
    name: 'BadFile',
    type: 'limit',
    retry: 'later',
    message: `The head of a.csv could not be copied to ${tempDir} (EEXIST). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
  });
  await blocked.close();
  await rm(tempDir);
});

describe('a dialect', () => {
  it('of semicolons, decimal commas and German dates is read as it is said', async () => {
    const given = { decimal: ',', dateFormat: 'DD.MM.YYYY', timestampFormat: 'DD.MM.YYYY HH:mm' } as const;
    const { dialect, types, rows } = await inferred(
      'id;price;day;at\n1;1234,50;31.12.2023;01.02.2024 10:30\n2;-0,5;29.02.2024;29.02.2024 23:59\n',
      given,
    );
    expect(dialect).toEqual({
      delimiter: ';',
      quote: '"',
      escape: '"',
      header: true,
      skip: 0,
      encoding: 'utf-8',
      nulls: [],
      decimal: ',',
      dateFormat: 'DD.MM.YYYY',
      timestampFormat: 'DD.MM.YYYY HH:mm',
    });
    expect(types).toEqual({
      id: 'bigint',
      price: 'double precision',
      day: 'date',
      at: 'timestamp without time zone',
    });
    expect(rows).toEqual([
      { id: '1', price: '1234.5', day: '2023-12-31', at: '2024-02-01 10:30:00' },
      { id: '2', price: '-0.5', day: '2024-02-29', at: '2024-02-29 23:59:00' },
    ]);
  });

  it('is told by all lines of its head, in 64 MB', async () => {
    const { dialect, rows } = await inferred('name, first;age\n"x \\"y\\"";1\nz;2\n');
    expect(dialect).toMatchObject({ delimiter: ';', escape: '\\' });
    expect(rows).toEqual([
      { 'name, first': 'x "y"', age: '1' },
      { 'name, first': 'z', age: '2' },
    ]);
  });

  it('is never guessed where a guess could change values', async () => {
    const { types } = await inferred('a;b;c\n01/02/2024;1,5;1.234,5\n02/03/2024;2,5;2.345,6\n');
    expect(types).toEqual({ a: 'text', b: 'text', c: 'text' });
  });

  it('takes words for NULL where they are not quoted, and nowhere else', async () => {
    const { types, rows } = await inferred('a,b\n1,NA\n\\N,x\n3,"NA"\n4,na\n5,NAB\n', { nulls: ['NA', '\\N'] });
    expect(types).toEqual({ a: 'bigint', b: 'text' });
    expect(rows).toEqual([
      { a: '1', b: null },
      { a: null, b: 'x' },
      { a: '3', b: 'NA' },
      { a: '4', b: 'na' },
      { a: '5', b: 'NAB' },
    ]);
  });

  it('without a quote keeps quotes in the values', async () => {
    const { rows } = await inferred('a|b\n5" pipe|"x\n"y"|z\n', { quote: '' });
    expect(rows).toEqual([
      { a: '5" pipe', b: '"x' },
      { a: '"y"', b: 'z' },
    ]);
  });

  it('with another quote and escape is read so', async () => {
    const { rows } = await inferred("a,b\n'1,2','it\\'s'\n", { quote: "'", escape: '\\' });
    expect(rows).toEqual([{ a: '1,2', b: "it's" }]);
  });

  it.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('skips lines above the header that end with %s', async (_, eol) => {
    const { rows, dialect } = await inferred(['Report, of; today', '', 'a;b', '1;x', ''].join(eol), { skip: 2 });
    expect(dialect).toMatchObject({ delimiter: ';', skip: 2, header: true });
    expect(rows).toEqual([{ a: '1', b: 'x' }]);
  });

  it('without a header is seen where numbers or dates are written in forms of their own', async () => {
    const { rows } = await inferred('1,5;a\n2,5;b\n', { decimal: ',' });
    expect(rows).toEqual([
      { column1: '1.5', column2: 'a' },
      { column1: '2.5', column2: 'b' },
    ]);
  });

  it('whose decimal commas would give more columns is not split by them', async () => {
    const { dialect, rows } = await inferred('1,5;2,5\n3,5;4,5\n', { decimal: ',' });
    expect(dialect).toMatchObject({ delimiter: ';', header: false });
    expect(rows[1]).toEqual({ column1: '3.5', column2: '4.5' });
  });

  it.each([
    ['everything is quoted', '"1","2.5","x"\n"4","5","y"\n'],
    ['only rows further down are quoted', '1,2.5,x\n4,5,"y ""z"""\n'],
    ['the first value holds a line end', '"a\nb",2.5,x\n"c",5,y\n'],
    ['there is one column', '2024-01-01T10:00+02\n2024-01-02T10:00+02\n'],
  ])('without a header keeps its first row where %s', async (_, content) => {
    const { dialect, rows } = await inferred(content);
    expect(dialect).toMatchObject({ delimiter: ',', header: false });
    expect(rows).toHaveLength(2);
  });

  it('has a header whose quoted names are numbers, above numbers that are not quoted', async () => {
    const { dialect, rows } = await inferred('"id","2020","2021"\n1,2,3\n4,5,6\n');
    expect(dialect).toMatchObject({ delimiter: ',', header: true });
    expect(rows[0]).toEqual({ id: '1', '2020': '2', '2021': '3' });
  });

  it('is told by a header whose first name holds a line end', async () => {
    const { dialect, rows } = await inferred('"name\nof person";"age"\nx;1\ny;2\n');
    expect(dialect).toMatchObject({ delimiter: ';', header: true });
    expect(rows[1]).toEqual({ 'name\nof person': 'y', age: '2' });
  });

  it.each([
    ['utf-16le', 'utf16le'],
    ['utf-16be', 'utf16be'],
  ] as const)('in %s is found by its byte order mark', async (encoding, node) => {
    const little = Buffer.from('\ufeffid;name\n1;Müller 😀\n', 'utf16le');
    const { rows, dialect } = await inferred(node === 'utf16le' ? little : little.swap16());
    expect(dialect).toMatchObject({ encoding, delimiter: ';' });
    expect(rows).toEqual([{ id: '1', name: 'Müller 😀' }]);
  });

  it('in Windows-1252 is read where that is said', async () => {
    const content = Buffer.from('id,name\n1,M\xfcller \x80\n', 'latin1');
    expect((await inferred(content, { encoding: 'windows-1252' })).rows).toEqual([{ id: '1', name: 'Müller €' }]);
  });

  it('is sniffed from the first megabyte, cut where a line ends', async () => {
    const lines = Array.from({ length: 60_000 }, (_, n) => `${n};"two\nlines, ""${n}""";x,y\n`);
    const { dialect, rows } = await inferred(`id;text;z\n${lines.join('')}`);
    expect(dialect).toMatchObject({ delimiter: ';', quote: '"', escape: '"', header: true });
    expect(rows).toHaveLength(60_000);
    expect(rows.at(-1)).toEqual({ id: '59999', text: 'two\nlines, "59999"', z: 'x,y' });
  });

  it('stored by an older version is read with what it did not know as it was then', async () => {
    const old = { delimiter: ';', quote: '"', escape: '"', header: true, skip: 0 } as CsvDialect;
    const columns = [{ source: 'a', name: 'a', type: 'double precision' }] as const;
    const plan = aPlan({ ...RESCUING, columns, dialect: old });
    const { rows } = await server.load(await reader.open(memoryFile('a\n1.5\nNA\n1,5\n'), plan));
    expect(rows.map((row) => [row['a'], row['_rescued']])).toEqual([
      ['1.5', null],
      [null, '{"a": "NA"}'],
      [null, '{"a": "1,5"}'],
    ]);
  });

  it('said later goes before the one known', async () => {
    const columns = [{ source: 'a', name: 'a', type: 'text' }] as const;
    const dialect = (await reader.infer([memoryFile('a;b\n1;2\n')], {}, Infinity)).dialect;
    const plan = aPlan({ columns, unknown: 'ignore', unfit: 'rescue', dialect, given: { delimiter: '|' } });
    const { rows } = await server.load(await reader.open(memoryFile('a|b\n1;x|2\n'), plan));
    expect(rows).toEqual([{ a: '1;x', _rescued: null }]);
  });

  it.each([
    [{ delimiter: '\n' }, '"\\n" cannot be a delimiter, quote or escape. Choose an ASCII character in format.options.'],
    [{ delimiter: '"' }, '"\\"" cannot be delimiter and quote at once. Choose two characters in format.options.'],
    [{ dateFormat: 'DD.MM.YY' }, '"DD.MM.YY" is no date format: it needs YYYY, MM and DD, each once.'],
    [{ dateFormat: 'DD.MM.YYYY HH' }, '"DD.MM.YYYY HH" is no date format: it needs YYYY, MM and DD, each once.'],
    [
      { timestampFormat: 'YYYY-MM-DD HH:ss' },
      '"YYYY-MM-DD HH:ss" is no timestamp format: it needs YYYY, MM, DD and HH, perhaps mm, ss and SSS, each once.',
    ],
    [
      { timestampFormat: 'HH:mm:ss.SSSYYYYMMDD' },
      '"HH:mm:ss.SSSYYYYMMDD" is no timestamp format: it needs YYYY, MM, DD and HH, perhaps mm, ss and SSS, each once.',
    ],
  ])('that makes no sense is refused: %j', async (given, message) => {
    const columns = [{ source: 'a', name: 'a', type: 'date' }] as const;
    const opening = async () =>
      (
        await reader.open(memoryFile('a\n1\n'), aPlan({ columns, given: { header: true, delimiter: ',', ...given } }))
      ).locate(1, new Map());
    await expect(opening()).rejects.toMatchObject({ name: 'BadFile', message });
  });
});

describe('what a sample says of the columns', () => {
  const whys = async (content: string) =>
    (await reader.infer([memoryFile(content)], {}, Infinity)).columns.map(({ source, type, why }) => [
      source,
      type,
      why,
    ]);

  it('comes with the value and line that took the type away, escaped ones too', async () => {
    expect(await whys('a,b,c\n1,"x""1","y""2"\n\n"\n2",x,\n')).toEqual([
      ['a', 'text', 'Text because of "\n2" (line 4): a number would not give it back.'],
      ['b', 'text', 'Text because of "x"1" (line 2): it is no number, date, true or false.'],
      ['c', 'text', 'Text because of "y"2" (line 2): it is no number, date, true or false.'],
    ]);
  });

  it('does not come from rows that are bad', async () => {
    expect(await whys('a,b\n1,2\nTotal\n,3\n"x"y,4\n,5\n')).toEqual([
      ['a', 'bigint', 'The one value seen is a whole number.'],
      ['b', 'bigint', 'All 3 values seen are whole numbers.'],
    ]);
  });
});

test('a compressed file is sniffed by what its bytes are once they are expanded', async () => {
  const plain = memoryFile('a;b\n1;x\n', { path: 'a.csv.gz' });
  const compressed = { ...plain, bytes: gzipSync('a;b\n1;x\n').length };
  expect((await reader.infer([compressed], {}, Infinity)).dialect).toMatchObject({ delimiter: ';' });
});

describe('a column of its type takes', () => {
  it('numbers with a decimal comma, and none with points beside it', async () => {
    const values = ['1', '1,5', '-0,25', '1.5', '1.234,5', '1,2,3', ',5', '5,', '1,50'];
    expect(await taken('numeric', values, { decimal: ',' })).toEqual({
      '1': '1',
      '1,5': '1.5',
      '-0,25': '-0.25',
      '1.5': null,
      '1.234,5': null,
      '1,2,3': null,
      ',5': '0.5',
      '5,': null,
      '1,50': '1.50',
    });
    expect(await taken('double precision', ['1,5', '1.5'], { decimal: ',' })).toEqual({ '1,5': '1.5', '1.5': null });
    expect(await taken('bigint', ['1', '1,0', '1.0'], { decimal: ',' })).toEqual({
      '1': '1',
      '1,0': null,
      '1.0': null,
    });
  });

  it('dates in their format only', async () => {
    const values = ['31.12.2023', '2023-12-31', '31.12.23', '1.2.2024', '30.02.2024', '31.12.2023 ', '31-12-2023'];
    const expected = Object.fromEntries(values.map((value) => [value, value === '31.12.2023' ? '2023-12-31' : null]));
    expect(await taken('date', values, { dateFormat: 'DD.MM.YYYY' })).toEqual(expected);
    expect(await taken('date', ['20240229', '20230229'], { dateFormat: 'YYYYMMDD' })).toEqual({
      '20240229': '2024-02-29',
      '20230229': null,
    });
  });

  it('times in their format, with as many digits of the second as they have', async () => {
    const values = [
      '12/31/2023 23:59:58.5',
      '12/31/2023 23:59:58.123456',
      '12/31/2023 23:59:58.1234567',
      '12/31/2023 24:00:00.0',
      '2023-12-31 23:59:58.5',
      '12/31/2023 23:59:58',
    ];
    const format = { timestampFormat: 'MM/DD/YYYY HH:mm:ss.SSS' };
    expect(Object.values(await taken('timestamp without time zone', values, format))).toEqual([
      '2023-12-31 23:59:58.5',
      '2023-12-31 23:59:58.123456',
      null,
      null,
      null,
      null,
    ]);
    expect(await taken('timestamp with time zone', ['2023-12-31T23:00:00Z'], format)).toEqual({
      '2023-12-31T23:00:00Z': '2023-12-31 23:00:00+00',
    });
  });

  it('times in their format only as far as the column keeps them', async () => {
    const values = ['31.12.2023 23:59:58,123', '31.12.2023 23:59:58,1234', '31.12.2023 23:59:58,120000'];
    const format = { timestampFormat: 'DD.MM.YYYY HH:mm:ss,SSS' };
    expect(Object.values(await taken('timestamp without time zone', values, format, { modifier: 3 }))).toEqual([
      '2023-12-31 23:59:58.123',
      null,
      '2023-12-31 23:59:58.12',
    ]);
    expect(await taken('numeric', ['1,5', '1,55'], { decimal: ',' }, { modifier: (4 << 16) + 1 + 4 })).toEqual({
      '1,5': '1.5',
      '1,55': null,
    });
  });

  it('times of the day and UUIDs as PostgreSQL reads them', async () => {
    const times = ['00:00', '23:59:59.999999', '10:30:00.5', '24:00', '1:30', '10:30Z', '10:60', '10:30:60', '10:3'];
    expect(await taken('time without time zone', times)).toEqual({
      '00:00': '00:00:00',
      '23:59:59.999999': '23:59:59.999999',
      '10:30:00.5': '10:30:00.5',
      '24:00': null,
      '1:30': null,
      '10:30Z': null,
      '10:60': null,
      '10:30:60': null,
      '10:3': null,
    });
    const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
    const others = [uuid.toUpperCase(), `{${uuid}}`, uuid.replaceAll('-', ''), `${uuid}0`];
    expect(Object.values(await taken('uuid', [uuid, ...others]))).toEqual([uuid, uuid, null, null, null]);
  });
});
