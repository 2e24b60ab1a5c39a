import { gzipSync } from 'node:zlib';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

async function load(files: Record<string, string | Buffer>, format = { type: 'auto' as const, options: {} }) {
  for (const [path, content] of Object.entries(files)) await plane.write(path, content);
  return plane.run(await plane.order({ format }));
}

async function columnsOf(table = 't'): Promise<Record<string, string>> {
  const rows = await plane.rows<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0`,
  );
  return Object.fromEntries(rows.filter(({ name }) => name !== '_load_id').map(({ name, type }) => [name, type]));
}

test('every value of the rules for types arrives as it was written', async () => {
  const outcome = await load({
    'a.csv':
      'zip,signed,padded,price,big,long,flag,word,mixed,nothing,moment\n' +
      '007,+1, 5,1.50,12345678901234567890123,0.1234567890123456789,true,t,2024-01-01,,2024-01-01T00:00:00Z\n' +
      '10115,1,5,2.25,1,0.5,FALSE,f,2024-01-01 10:30,,2024-06-01 12:00:00.5+02:00\n',
  });
  expect(outcome.errors).toEqual([]);
  expect(await columnsOf()).toEqual({
    zip: 'text',
    signed: 'text',
    padded: 'text',
    price: 'double precision',
    big: 'numeric',
    long: 'numeric',
    flag: 'boolean',
    word: 'text',
    mixed: 'timestamp without time zone',
    nothing: 'text',
    moment: 'timestamp with time zone',
  });
  const [first, second] = await plane.rows(
    `SELECT zip, signed, padded, price::text, big::text, long::text, flag, word, mixed::text, nothing, (moment AT TIME ZONE 'UTC')::text AS moment FROM t`,
  );
  expect(first).toEqual({
    zip: '007',
    signed: '+1',
    padded: ' 5',
    price: '1.5',
    big: '12345678901234567890123',
    long: '0.1234567890123456789',
    flag: true,
    word: 't',
    mixed: '2024-01-01 00:00:00',
    nothing: null,
    moment: '2024-01-01 00:00:00',
  });
  expect(second).toMatchObject({ flag: false, mixed: '2024-01-01 10:30:00', moment: '2024-06-01 10:00:00.5' });
});

test.each([
  ['semicolons', 'id;name\n1;a,b\n2;c\n'],
  ['tabs', 'id\tname\n1\ta,b\n2\tc\n'],
  ['pipes', 'id|name\n1|a,b\n2|c\n'],
  ['commas and CRLF', 'id,name\r\n1,"a,b"\r\n2,c\r\n'],
  ['commas and CR', 'id,name\r1,"a,b"\r2,c\r'],
  ['a byte order mark', '\ufeffid,name\n1,"a,b"\n2,c\n'],
  ['mixed line ends', 'id,name\r\n1,"a,b"\n2,c\r\n'],
  ['no line end at its end', 'id,name\n1,"a,b"\n2,c'],
])('a file with %s is understood without being told', async (_, text) => {
  expect((await load({ 'a.csv': text })).errors).toEqual([]);
  expect(await plane.rows('SELECT id, name FROM t ORDER BY id')).toEqual([
    { id: '1', name: 'a,b' },
    { id: '2', name: 'c' },
  ]);
});

test('apostrophes around a value belong to it', async () => {
  expect((await load({ 'a.csv': "id,name\n1,'a'\n2,b\n" })).errors).toEqual([]);
  expect(await plane.rows('SELECT name FROM t ORDER BY id')).toEqual([{ name: "'a'" }, { name: 'b' }]);
});

test('a backslash that escapes quotes is understood and kept elsewhere', async () => {
  expect((await load({ 'a.csv': 'id,name\n1,"a \\"b\\""\n2,"C:\\new"\n' })).errors).toEqual([]);
  expect(await plane.rows('SELECT name FROM t ORDER BY id')).toEqual([{ name: 'a "b"' }, { name: 'C:\\new' }]);
});

test('a file without a header has columns by place', async () => {
  expect((await load({ 'a.csv': '1,2.5,2024-01-01\n4,5,2024-01-02\n' })).errors).toEqual([]);
  expect(await plane.rows('SELECT column1, column2, column3::text FROM t ORDER BY 1')).toEqual([
    { column1: '1', column2: 2.5, column3: '2024-01-01' },
    { column1: '4', column2: 5, column3: '2024-01-02' },
  ]);
});

test('what the format options say is not sniffed, also when the first files were JSON', async () => {
  await plane.write('a.json', '[{"x": "a", "y": "b"}]');
  const order = await plane.order({ format: { type: 'auto', options: { delimiter: ':', header: true } } });
  await plane.run(order);
  await plane.write('b.csv', 'x:y\n1,2:3,4\n');
  expect((await plane.run(order)).errors).toEqual([]);
  expect(await plane.rows('SELECT x, y FROM t ORDER BY _load_id')).toEqual([
    { x: 'a', y: 'b' },
    { x: '1,2', y: '3,4' },
  ]);
});

test.each([
  ['too few values', 'id,name\n1,a\n2\n3,c\n', 3],
  ['too many values', 'id,name\n1,a\n2,b,c\n3,c\n', 3],
  ['an unclosed quote', 'id,name\n1,"a\n2,b\n', 2],
  ['a header that is too short', 'id,name\n1,a,b\n2,b,c\n', 2],
  ['a title above the header', 'Report of x\nid,name\n1,a\n2,b\n', 2],
  ['broken UTF-8', Buffer.from('id,name\n1,M\xfcller\n', 'latin1'), 2],
  ['a NUL', 'id,name\n1,a\n2,b\0\n', 3],
])(
  'as the first file of an ingestion, one with %s fails with its line and the others load',
  async (_, content, line) => {
    const outcome = await load({ 'a.csv': content, 'b.csv': 'id,name\n7,good\n' });
    const { status, errors, metrics } = outcome;
    expect({ status, errors }).toMatchObject({
      status: 'partial',
      errors: [{ file: 'a.csv', line, error_type: 'malformed' }],
    });
    expect(metrics).toMatchObject({ files_processed: 1, files_failed: 1, rows_ingested: 1 });
    expect(await plane.rows('SELECT count(*)::int AS rows FROM t')).toEqual([{ rows: 1 }]);
  },
);

test('files of several encodings load side by side, each as its byte order mark says', async () => {
  const outcome = await load({
    'a.csv': Buffer.from('\ufeffid,name\n1,Müller\n', 'utf16le'),
    'b.csv': 'id,name\n2,Müller\n',
    'c.csv': '\ufeffid,name\n3,Müller\n',
  });
  expect(outcome).toMatchObject({ status: 'success', metrics: { files_processed: 3 } });
  expect(await plane.rows('SELECT count(*)::int AS rows FROM t WHERE name = $$Müller$$')).toEqual([{ rows: 3 }]);
});

test.each([
  ['broken', Buffer.concat([gzipSync('id,name\n1,a\n').subarray(0, 12), Buffer.alloc(30, 1)])],
  ['truncated', gzipSync(`id,name\n${'1,abcdefgh\n'.repeat(1000)}`).subarray(0, 60)],
  ['no gzip at all', Buffer.from('id,name\n1,a\n')],
])('a gzip file that is %s fails and the others load', async (_, content) => {
  const outcome = await load({ 'a.csv.gz': content, 'b.csv': 'id,name\n7,good\n' });
  expect(outcome).toMatchObject({ status: 'partial', errors: [{ file: 'a.csv.gz', error_type: 'malformed' }] });
  expect(outcome.errors[0]?.message).toMatch(
    /^The gzip data of a\.csv\.gz cannot be read: .+\. Compress or copy the file again\.$/,
  );
});

test('empty files, and those with a header only, are loaded with no rows and mislead nobody', async () => {
  const outcome = await load({
    'a.csv': '',
    'b.csv': '\n',
    'c.csv': 'id;name\n',
    'd.csv': 'id;name\n1;x\n',
    'e.csv': '',
  });
  expect(outcome).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 5, rows_ingested: 1 } });
  expect(await columnsOf()).toEqual({ id: 'bigint', name: 'text' });
});

test('nothing but empty files is a success, and the table comes with the first row', async () => {
  await plane.write('a.csv', '');
  const order = await plane.order();
  expect(await plane.run(order)).toMatchObject({
    status: 'success',
    errors: [],
    metrics: { files_processed: 1, rows_ingested: 0 },
  });
  await plane.write('b.csv', 'id\n1\n2\n');
  expect(await plane.run(order)).toMatchObject({ status: 'success', errors: [], metrics: { rows_ingested: 2 } });
});

test('an empty text is told from nothing', async () => {
  await load({ 'a.csv': 'id,name\n1,""\n2,\n3,x\n' });
  expect(await plane.rows('SELECT name FROM t ORDER BY id')).toEqual([{ name: '' }, { name: null }, { name: 'x' }]);
});

test('duplicate, empty, odd and system column names get names of their own', async () => {
  const long = 'x'.repeat(80);
  const outcome = await load({ 'a.csv': `id,id,,ctid,Größe (cm),${long}1,${long}2,_load_id\n1,2,3,4,5,6,7,8\n` });
  expect(outcome.errors).toEqual([]);
  expect(Object.keys(await columnsOf())).toEqual([
    'id',
    'id_2',
    'column3',
    'ctid_2',
    'größe_cm',
    'x'.repeat(63),
    `${'x'.repeat(61)}_2`,
    'load_id',
  ]);
});

test('more columns than a table can have fail their file with a sentence, and the others load', async () => {
  const wide = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`).join(',');
  const outcome = await load({
    'a.csv': `${wide(1700)}\n`,
    'b.csv': `${wide(1600)}\n`,
    'c.csv': 'id\n1\n',
    'd.json': `{${wide(1650).replaceAll(/c\d+/g, '"$&":null')}}`,
  });
  expect(outcome.metrics).toMatchObject({ files_processed: 1, files_failed: 3 });
  expect(outcome.errors.map(({ file, error_type }) => [file, error_type])).toEqual([
    ['a.csv', 'limit'],
    ['b.csv', 'limit'],
    ['d.json', 'limit'],
  ]);
  expect(outcome.errors[2]?.message).toMatch(/1598 columns/);
});

test('a headerless file whose first row is too short fails instead of losing the row', async () => {
  const outcome = await load({ 'a.csv': '1,2\n1,2,3\n4,5,6\n', 'b.csv': '7,8,9\n' });
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [{ file: 'a.csv', line: 2 }],
    metrics: { rows_ingested: 1 },
  });
});

test('a line of twenty megabytes is one row', async () => {
  const note = 'n'.repeat(20 * 1024 * 1024);
  expect((await load({ 'a.csv': `id,note\n1,${note}\n2,x\n` })).errors).toEqual([]);
  expect(await plane.rows('SELECT id, length(note) AS length FROM t ORDER BY id')).toEqual([
    { id: '1', length: note.length },
    { id: '2', length: 1 },
  ]);
});

test('a record that never ends fails with a limit instead of filling the memory', async () => {
  const outcome = await load({ 'a.csv': `id,note\n1,"${'n'.repeat(70 * 1024 * 1024)}`, 'b.csv': 'id,note\n1,x\n' });
  expect(outcome).toMatchObject({ status: 'partial', errors: [{ file: 'a.csv', error_type: 'limit' }] });
});

test('a row the server refuses is told with the line of the file and the words of the server', async () => {
  await plane.rows('CREATE TABLE t (id bigint CHECK (id < 100), name text NOT NULL, _load_id bigint)');
  const outcome = await load({
    'a.csv': 'id,name\n1,"two\nlines"\n\n100,x\n',
    'b.csv': 'id,name\n1,\n',
    'c.csv': 'id,name\n3,good\n',
  });
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [
      {
        file: 'a.csv',
        line: 5,
        error_type: 'destination',
        message: expect.stringMatching(
          /^Line 5: the destination refused the row: .+ violates check constraint "t_id_check": Failing row contains \(100, x, \d+\)\.$/,
        ) as string,
      },
      { file: 'b.csv', line: 2, column: 'name', error_type: 'destination' },
    ],
  });
  expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '3' }]);
});

test.each([
  ['a deferred constraint', 'ALTER TABLE t ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED'],
  [
    'a trigger',
    `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 AND NEW.name = 'again' THEN RAISE 'not twice'; END IF; RETURN NEW; END $$;
     CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()`,
  ],
  ['a unique key', 'ALTER TABLE t ADD UNIQUE (id)'],
])('a file refused by %s fails alone', async (_, sql) => {
  await plane.rows('CREATE TABLE t (id bigint, name text, _load_id bigint)');
  await plane.rows(sql);
  const outcome = await load({ 'a.csv': 'id,name\n1,x\n', 'b.csv': 'id,name\n1,again\n', 'c.csv': 'id,name\n2,y\n' });
  expect(outcome).toMatchObject({ status: 'partial', errors: [{ file: 'b.csv', error_type: 'destination' }] });
  expect(await plane.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: '1' }, { id: '2' }]);
});
