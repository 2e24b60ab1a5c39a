import avro, { type Schema } from 'avsc';
import { deflateRawSync } from 'node:zlib';
import { join } from 'node:path';
import type { CopyOrder, FileInput, LoadColumn, ReadPlan } from '@sluice/connectors';
import { BadFile, UnknownColumns } from '../../libs/connectors/src/errors';
import { AvroReader } from '../../libs/connectors/src/formats/avro/avro-reader';
import { memoryFile } from '../support/copy-rows';
import { aPlan, diskFile, type LoadDesk, loadDesk } from '../support/load-file';

const LIMITS = { recordBytes: 64 * 1024 * 1024, columns: 1598, depth: 512 };
const reader = new AvroReader(LIMITS);

let desk: LoadDesk;
beforeAll(async () => {
  desk = await loadDesk();
});
afterAll(() => desk.close());

const SYNC = Buffer.from('0123456789abcdef');
const long = (value: number) => avro.Type.forSchema('long').toBuffer(value);
const sized = (text: string | Buffer) => Buffer.concat([long(Buffer.byteLength(text)), Buffer.from(text)]);

function header(schema: Schema, codec = 'null'): Buffer {
  const meta = [sized('avro.schema'), sized(JSON.stringify(schema)), sized('avro.codec'), sized(codec)];
  return Buffer.concat([Buffer.from('Obj\x01', 'latin1'), long(2), ...meta, long(0), SYNC]);
}

function block(records: number, bytes: Buffer): Buffer {
  return Buffer.concat([long(records), sized(bytes), SYNC]);
}

interface Field {
  name: string;
  type: Schema;
}

function row(...fields: Field[]): Schema {
  return { type: 'record', name: 'Row', fields } as Schema;
}

/** One block for each list of records. */
function fileOf(schema: Schema, ...blocks: object[][]): Buffer {
  const type = avro.Type.forSchema(schema, { wrapUnions: false });
  const packed = blocks.map((rows) => block(rows.length, Buffer.concat(rows.map((record) => type.toBuffer(record)))));
  return Buffer.concat([header(schema), ...packed]);
}

function asFile(bytes: Buffer, pieceBytes = 50): FileInput {
  return memoryFile(bytes, { path: 'a.avro', pieceBytes });
}

function column(source: string, type: LoadColumn['type'], more: Partial<LoadColumn> = {}): LoadColumn {
  return { source, name: source, type, ...more };
}

/** What is in the table after loading, by row number; each row ends with `_rescued` and its number. */
async function loaded(bytes: Buffer, plan: ReadPlan, order: Partial<CopyOrder> = {}, by = reader) {
  const file = await by.open(asFile(bytes), plan);
  const table = await desk.table(file.columns);
  const { rejections } = await desk.load(table, file, plan, order);
  const names = file.columns.map(({ name }) => `"${name}"::text`);
  const text = `SELECT ${[...names, '_rescued', '_row::int'].join(', ')} FROM ${table} ORDER BY _row`;
  const { rows } = await desk.client.query<unknown[]>({ text, rowMode: 'array' });
  return { rows, rejections };
}

async function failure(bytes: Buffer, plan: ReadPlan, by = reader): Promise<unknown> {
  return loaded(bytes, plan, {}, by).then(
    () => 'it was loaded',
    (error: unknown) => error,
  );
}

const MIXED = row({ name: 'n', type: 'int' }, { name: 'v', type: ['null', 'long'] }, { name: 's', type: 'string' });
const MIXED_ROWS = [
  { n: 1, v: 10, s: 'a' },
  { n: 2, v: 3000000000, s: 'b' },
  { n: 3, v: null, s: 'c\0' },
  { n: 4, v: 40, s: '' },
];
const MIXED_COLUMNS = [column('n', 'integer'), column('v', 'integer'), column('s', 'text')];
const TOO_LARGE = 'Record 2, field v: 3000000000 cannot be stored as integer without changing it. Correct the value.';
const NUL = 'Record 3, field s: c\u2400 holds a NUL character, which PostgreSQL cannot store. Correct the value.';

describe('what a file declares', () => {
  it('is told with types, reasons and nested fields', async () => {
    const inner = { type: 'record', name: 'Inner', fields: [{ name: 'x', type: 'int' }] } as Schema;
    const schema = row(
      { name: 'id', type: 'long' },
      { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 } },
      { name: 'at', type: ['null', { type: 'long', logicalType: 'timestamp-micros' }] },
      { name: 'inner', type: ['null', inner] as Schema },
      { name: 'items', type: { type: 'array', items: 'Inner' } },
      { name: 'either', type: ['int', 'string'] },
      { name: 'text', type: { type: 'string', logicalType: 'date' } as Schema },
    );
    const { columns } = await reader.infer([asFile(fileOf(schema))]);
    expect(columns).toEqual([
      { source: 'id', type: 'bigint', why: 'The file declares long.' },
      { source: 'price', type: 'numeric', why: 'The file declares bytes (decimal(10,2)).' },
      { source: 'at', type: 'timestamp with time zone', why: 'The file declares long (timestamp-micros).' },
      { source: 'inner', type: 'jsonb', why: 'The file declares a record.', fields: ['x'] },
      { source: 'items', type: 'jsonb', why: 'The file declares an array.', fields: ['[].x'] },
      { source: 'either', type: 'jsonb', why: 'The file declares a union of int, string.', fields: [] },
      { source: 'text', type: 'text', why: 'The file declares string (date).' },
    ]);
  });

  it('and the plan does not know is reported', async () => {
    const error = await failure(fileOf(MIXED, MIXED_ROWS), aPlan(MIXED_COLUMNS.slice(0, 1)));
    expect(error).toBeInstanceOf(UnknownColumns);
    expect((error as UnknownColumns).columns).toEqual(['v', 's']);
  });

  it('tells at once which columns of the plan are missing, and a merge key must not be', async () => {
    const plan = aPlan([...MIXED_COLUMNS, column('id', 'integer')]);
    expect((await reader.open(asFile(fileOf(MIXED)), plan)).missing()).toEqual(['id']);
    const error = await failure(fileOf(MIXED), aPlan([...MIXED_COLUMNS, column('id', 'integer', { required: true })]));
    expect(error).toMatchObject({
      type: 'schema_mismatch',
      message: 'a.avro lacks what rows are merged by: id. Add it to the file.',
    });
  });
});

describe('a record with a value that does not fit', () => {
  it('fails the file with its number, field and value', async () => {
    const error = await failure(fileOf(MIXED, MIXED_ROWS), aPlan(MIXED_COLUMNS));
    expect(error).toBeInstanceOf(BadFile);
    expect(error).toMatchObject({ type: 'type_mismatch', place: { line: 2, column: 'v' }, message: TOO_LARGE });
  });

  it('is left out where bad rows are rejected, as JSON, and the others are loaded', async () => {
    const bytes = fileOf(MIXED, MIXED_ROWS.slice(0, 2), MIXED_ROWS.slice(2));
    const { rows, rejections } = await loaded(bytes, aPlan(MIXED_COLUMNS, { badRows: 'reject' }));
    expect(rows).toEqual([
      ['1', '10', 'a', null, 1],
      ['4', '40', '', null, 4],
    ]);
    expect(rejections).toEqual([
      {
        record: 2,
        line: null,
        column: 'v',
        type: 'type_mismatch',
        reason: TOO_LARGE,
        raw: '{"n":2,"v":3000000000,"s":"b"}',
      },
      {
        record: 3,
        line: null,
        column: 's',
        type: 'type_mismatch',
        reason: NUL,
        raw: '{"n":3,"v":null,"s":"c\\u0000"}',
      },
    ]);
  });

  it.each([
    ['long', 2 ** 31, 'integer'],
    ['double', 1.5, 'bigint'],
    ['double', NaN, 'numeric'],
    ['double', NaN, 'jsonb'],
    ['double', 0.1, 'real'],
    ['string', '007', 'integer'],
    ['string', 'abc', 'uuid'],
    ['boolean', true, 'integer'],
    ['bytes', Buffer.from('5'), 'integer'],
    [{ type: 'array', items: 'double' }, [Infinity], 'jsonb'],
    [{ type: 'array', items: 'string' }, ['a\0'], 'jsonb'],
    [{ type: 'int', logicalType: 'date' }, 2 ** 31 - 1, 'date'],
    [{ type: 'long', logicalType: 'timestamp-nanos' }, 1, 'timestamp with time zone'],
    [{ type: 'long', logicalType: 'timestamp-millis' }, 0, 'timestamp without time zone'],
    [{ type: 'long', logicalType: 'timestamp-micros' }, 1, 'timestamp(3) with time zone'],
    [{ type: 'long', logicalType: 'timestamp-millis' }, -(2 ** 52), 'timestamp with time zone'],
    [{ type: 'long', logicalType: 'time-micros' }, 86_400_000_001, 'time without time zone'],
    [{ type: 'bytes', logicalType: 'decimal', precision: 4, scale: 3 }, Buffer.from([5]), 'numeric(4,2)'],
  ] as [Schema, unknown, string][])('%j %p is not put into %s', async (type, value, target) => {
    const modifier = { 'timestamp(3) with time zone': 3, 'numeric(4,2)': ((4 << 16) | 2) + 4 }[target];
    const to = column(
      'v',
      target.replace(/\(.*\)/, '') as LoadColumn['type'],
      modifier === undefined ? {} : { modifier },
    );
    const { rows, rejections } = await loaded(
      fileOf(row({ name: 'v', type }), [{ v: value }]),
      aPlan([to], { badRows: 'reject' }),
    );
    expect([rows, rejections.length]).toEqual([[], 1]);
  });

  it.each([
    ['int', 7, 'smallint', '7'],
    ['int', 7, 'double precision', '7'],
    ['long', 2 ** 40, 'numeric', '1099511627776'],
    ['float', 0.5, 'double precision', '0.5'],
    ['double', 0.5, 'real', '0.5'],
    ['double', 5, 'integer', '5'],
    ['double', 1e21, 'numeric', '1000000000000000000000'],
    ['string', '{"a": 1}', 'jsonb', '{"a": 1}'],
    ['string', '12.5', 'numeric', '12.5'],
    ['boolean', true, 'text', 'true'],
    ['bytes', Buffer.from([0, 255]), 'text', '\\x00ff'],
    [{ type: 'int', logicalType: 'date' }, 0, 'timestamp without time zone', '1970-01-01 00:00:00'],
    [{ type: 'array', items: 'int' }, [1, 2], 'text', '[1,2]'],
    [
      { type: 'string', logicalType: 'uuid' },
      '6F1A0C2E-0000-4000-8000-0123456789AB',
      'uuid',
      '6f1a0c2e-0000-4000-8000-0123456789ab',
    ],
  ] as [Schema, unknown, LoadColumn['type'], string][])('%j %p fits %s', async (type, value, target, text) => {
    const { rows } = await loaded(fileOf(row({ name: 'v', type }), [{ v: value }]), aPlan([column('v', target)]));
    expect(rows).toEqual([[text, null, 1]]);
  });

  it('of broken UTF-8 is left out, not mended', async () => {
    const schema = row({ name: 's', type: 'string' });
    const bytes = Buffer.concat([
      header(schema),
      block(2, Buffer.concat([sized(Buffer.from([0x61, 0xff])), sized('b')])),
    ]);
    const { rows, rejections } = await loaded(bytes, aPlan([column('s', 'text')], { badRows: 'reject' }));
    expect(rows).toEqual([['b', null, 2]]);
    expect(rejections).toMatchObject([{ record: 1, reason: expect.stringContaining('is not valid UTF-8') as string }]);
  });
});

describe('where values are rescued', () => {
  const rescue = { unfit: 'rescue', unknown: 'rescue', badRows: 'reject' } as const;

  it('those that do not fit and those without a column stand in _rescued, and nothing else does', async () => {
    const schema = row(...(MIXED as { fields: Field[] }).fields, { name: 'x', type: ['null', 'double'] });
    const rows = [
      { n: 1, v: 10, s: 'a', x: null },
      { n: 2, v: 3000000000, s: 'b', x: NaN },
    ];
    expect((await loaded(fileOf(schema, rows), aPlan(MIXED_COLUMNS, rescue))).rows).toEqual([
      ['1', '10', 'a', null, 1],
      ['2', null, 'b', { v: 3000000000, x: 'NaN' }, 2],
    ]);
  });

  it('a NUL character, and a merge key that does not fit or is empty, reject their records', async () => {
    const columns = [column('n', 'integer'), column('v', 'integer', { required: true })];
    const { rows, rejections } = await loaded(fileOf(MIXED, MIXED_ROWS), aPlan(columns, rescue));
    expect(rows).toEqual([
      ['1', '10', { s: 'a' }, 1],
      ['4', '40', { s: '' }, 4],
    ]);
    expect(rejections.map(({ reason }) => reason)).toEqual([
      TOO_LARGE,
      'Record 3, field v: it is a merge key and has no value. Fill it in.',
    ]);
    const other = await loaded(fileOf(MIXED, MIXED_ROWS), aPlan(MIXED_COLUMNS.slice(0, 2), rescue));
    expect(other.rejections.map(({ reason }) => reason)).toEqual([NUL]);
  });
});

it('records that the server refused are rejected at the next try, and found by their place among the rows sent', async () => {
  const refused = new Map([[1, { column: 'n', reason: 'it is too small' }]]);
  const plan = aPlan(MIXED_COLUMNS, { badRows: 'reject' });
  const bytes = fileOf(MIXED, MIXED_ROWS);
  const { rows, rejections } = await loaded(bytes, plan, { refused });
  expect(rows).toEqual([['4', '40', '', null, 4]]);
  expect(rejections[0]).toEqual({
    record: 1,
    line: null,
    column: 'n',
    type: 'destination',
    reason: 'it is too small',
    raw: '{"n":1,"v":10,"s":"a"}',
  });
  const file = await reader.open(asFile(bytes), plan);
  expect(await file.locate(1, refused)).toEqual({ record: 4, line: null });
  expect(await file.locate(2, new Map())).toEqual({ record: 4, line: null });
  expect(await file.locate(3, new Map())).toBeNull();
});

describe('a file that is broken', () => {
  const whole = fileOf(MIXED, [MIXED_ROWS[0] as object], [MIXED_ROWS[3] as object]);
  const plan = aPlan(MIXED_COLUMNS);

  it('fails wherever it is cut off, with the record it is broken at', async () => {
    const firstBlock = fileOf(MIXED, [MIXED_ROWS[0] as object]).length;
    for (let end = 0; end < whole.length; end++) {
      // What ends with its header or with a block is a whole file.
      if (end === header(MIXED).length || end === firstBlock) continue;
      const error = await failure(whole.subarray(0, end), plan);
      expect([end, error]).toMatchObject([end, { name: 'BadFile', type: 'malformed' }]);
    }
    const error = await failure(whole.subarray(0, -5), plan);
    expect(error).toMatchObject({
      message: 'a.avro is broken at record 2: the file ends too early. Write or copy the file again.',
      place: { line: 2 },
    });
  });

  it.each([
    ['no Avro at all', Buffer.from('id,name\n1,x\n')],
    ['empty', Buffer.alloc(0)],
    [
      'of a schema that is none',
      Buffer.concat([header({ type: 'nonsense' } as unknown as Schema), block(0, Buffer.alloc(0))]),
    ],
    ['of another mark behind a block', Buffer.concat([whole.subarray(0, -1), Buffer.from('X')])],
    ['of a block with more than its records', Buffer.concat([header(MIXED), block(0, Buffer.from([1]))])],
    ['of a block with fewer', Buffer.concat([header(MIXED), block(5, Buffer.from([2, 0]))])],
    ['of a negative length', Buffer.concat([header(MIXED), block(1, Buffer.concat([long(1), long(0), long(-4)]))])],
    ['of a choice there is not', Buffer.concat([header(MIXED), block(1, Buffer.concat([long(1), long(7)]))])],
    [
      'of a number of more than 64 bits',
      Buffer.concat([header(row({ name: 'n', type: 'long' })), block(1, Buffer.alloc(11, 0xff))]),
    ],
    ['of an int beyond 32 bits', Buffer.concat([header(MIXED), block(1, long(2 ** 40))])],
    ['of deflated data that is none', Buffer.concat([header(MIXED, 'deflate'), block(1, Buffer.from('nonsense'))])],
    ['of Snappy data that is none', Buffer.concat([header(MIXED, 'snappy'), block(1, Buffer.from('nonsense'))])],
    ['of zstandard data that is none', Buffer.concat([header(MIXED, 'zstandard'), block(1, Buffer.from('nonsense'))])],
    ['of bzip2 data that is none', Buffer.concat([header(MIXED, 'bzip2'), block(1, Buffer.from('nonsense'))])],
  ])('%s is malformed', async (_, bytes) => {
    const error = await failure(bytes, aPlan([column('n', 'bigint')], { unknown: 'ignore' }));
    expect(error).toMatchObject({ name: 'BadFile', type: 'malformed' });
    expect((error as BadFile).message).toMatch(/^a\.avro .*\. (Write|Write or copy) the file again\.$/);
  });

  it('is passed over when columns are inferred', async () => {
    const { columns } = await reader.infer([asFile(Buffer.from('x')), asFile(whole)]);
    expect(columns.map(({ source }) => source)).toEqual(['n', 'v', 's']);
  });
});

describe('limits', () => {
  const small = new AvroReader({ recordBytes: 1000, columns: 2, depth: 3 });
  const plan = aPlan([column('v', 'text')]);
  const numbers = row({ name: 'v', type: 'string' });

  it.each([
    ['a long block', Buffer.concat([header(numbers), block(1, sized('x'.repeat(2000)))]), 'SLUICE_MAX_RECORD_BYTES'],
    [
      'a block that expands to much',
      Buffer.concat([header(numbers, 'deflate'), block(1, deflateRawSync(sized('x'.repeat(2000))))]),
      'SLUICE_MAX_RECORD_BYTES',
    ],
    [
      'items without bytes',
      Buffer.concat([
        header(row({ name: 'v', type: { type: 'array', items: 'null' } })),
        block(1, Buffer.concat([long(2 ** 45), long(0)])),
      ]),
      'SLUICE_MAX_RECORD_BYTES',
    ],
    [
      'many columns',
      fileOf(row(...['v', 'w', 'x'].map((name): Field => ({ name, type: 'int' })))),
      'SLUICE_MAX_COLUMNS',
    ],
    [
      'deep values',
      fileOf(
        row({
          name: 'v',
          type: {
            type: 'record',
            name: 'Node',
            fields: [{ name: 'next', type: ['null', 'Node'], default: null }],
          } as Schema,
        }),
        [{ v: { next: { next: { next: { next: null } } } } }],
      ),
      'SLUICE_MAX_DEPTH',
    ],
  ])('%s is refused', async (_, bytes, setting) => {
    const error = await failure(bytes, plan, small);
    expect(error).toMatchObject({ name: 'BadFile', type: 'limit' });
    expect((error as BadFile).message).toContain(setting);
  });

  it('values deeper than the stack are refused, whatever is allowed', async () => {
    const deep = new AvroReader({ ...LIMITS, depth: 1e6 });
    const node = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] } as Schema;
    const chain = Buffer.concat([Buffer.alloc(500_000, 2), Buffer.from([0])]);
    const bytes = Buffer.concat([header(row({ name: 'v', type: node })), block(1, chain)]);
    const error = await failure(bytes, plan, deep);
    expect(error).toMatchObject({ name: 'BadFile', type: 'limit' });
    expect((error as BadFile).message).toContain('values lie deeper than this process can follow');
  });
});

it('a codec that cannot be expanded is named, with those that can', async () => {
  const file = await diskFile(join(__dirname, '../fixtures/avro/codec_xz.avro'));
  await expect(reader.open(file, aPlan([]))).rejects.toMatchObject({
    type: 'malformed',
    message:
      'codec_xz.avro is compressed with xz, which Sluice cannot expand. Write it with one of null, deflate, snappy, zstandard, bzip2.',
  });
});

it('values that are not records are refused', async () => {
  const bytes = Buffer.concat([header('long'), block(1, long(5))]);
  expect(await failure(bytes, aPlan([column('v', 'bigint')]))).toMatchObject({
    type: 'schema_mismatch',
    message: 'a.avro holds values of the type long, not records. Write one record for each row.',
  });
});
