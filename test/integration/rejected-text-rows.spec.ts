import { DuckDb, type LoadColumn, type ReadPlan, type Refusal } from '@sluice/connectors';
import { CsvReader } from '../../libs/connectors/src/formats/csv/csv-reader';
import { complete } from '../../libs/connectors/src/formats/csv/csv-dialect';
import { JsonReader } from '../../libs/connectors/src/formats/json/json-reader';
import { aPlan, copied, LIMITS, memoryFile, SMALL_DUCKDB, texts } from '../support/copy-rows';

const csv = new CsvReader(new DuckDb(SMALL_DUCKDB), LIMITS);
const json = new JsonReader(LIMITS);

type Format = 'csv' | 'json';

const COLUMNS: readonly LoadColumn[] = [
  { source: 'a', name: 'a', type: 'text' },
  { source: 'b', name: 'b', type: 'date' },
];

function open(format: Format, content: string | Buffer, plan: Partial<ReadPlan> = {}, pieceBytes?: number) {
  const file = memoryFile(content, { path: 'f', ...(pieceBytes !== undefined && { pieceBytes }) });
  const whole = aPlan({ columns: COLUMNS, badRows: 'reject', ...plan });
  return format === 'csv' ? csv.open(file, { ...whole, dialect: complete({}, {}) }) : json.open(file, whole);
}

/** The first values of the rows sent with their numbers, and what was rejected: whole and cut at any byte. */
async function read(
  format: Format,
  content: string | Buffer,
  plan: Partial<ReadPlan> = {},
  refused: ReadonlyMap<number, Refusal> = new Map(),
) {
  const reading = async (pieceBytes?: number) => {
    const opened = await open(format, content, plan, pieceBytes);
    const { rows, rejections } = await copied(opened, { numbered: true, refused });
    const sent = rows.map((row) => [row[0]?.toString() ?? null, Number(row.at(-1)?.readBigInt64BE())]);
    return { sent, rejections };
  };
  const whole = await reading();
  for (let bytes = 1; bytes <= Buffer.from(content).length; bytes++) expect(await reading(bytes)).toEqual(whole);
  return whole;
}

describe('of a CSV, a bad row is left out and the rest is loaded:', () => {
  it('too few values, too many, text behind a quote', async () => {
    const { sent, rejections } = await read(
      'csv',
      'a,b\nx,\n1\n2,2024-01-01\n3,,5,"y\nz"\n\n"4"!,2024-01-01\n"5\n6",\n',
    );
    expect(sent).toEqual([
      ['x', 1],
      ['2', 3],
      ['5\n6', 6],
    ]);
    expect(rejections).toEqual([
      {
        record: 2,
        line: 3,
        column: null,
        type: 'malformed',
        reason: 'Line 3 has 1 values where 2 are expected. Complete the line.',
        raw: '1',
      },
      {
        record: 4,
        line: 5,
        column: null,
        type: 'malformed',
        reason: 'Line 5 has more than the 2 values expected. Quote values that hold the delimiter.',
        raw: '3,,5,"y\nz"',
      },
      {
        record: 5,
        line: 8,
        column: 'a',
        type: 'malformed',
        reason: 'Line 8, column a: text follows a closing quote. Double the quotes inside the value.',
        raw: '"4"!,2024-01-01',
      },
    ]);
  });

  it.each(['\n', '\r\n', '\r'])('a value that does not fit, with lines that end with %j', async (eol) => {
    const { sent, rejections } = await read(
      'csv',
      ['a,b', 'x,2024-01-01', '"y,""z""",no,', 'q,2024-13-01', 'last,'].join(eol),
    );
    expect(sent).toEqual([
      ['x', 1],
      ['last', 4],
    ]);
    expect(rejections).toEqual([
      {
        record: 2,
        line: 3,
        column: 'b',
        type: 'type_mismatch',
        reason: 'Line 3, column b: "no" cannot be stored as date without changing it. Correct the value.',
        raw: '"y,""z""",no,',
      },
      {
        record: 3,
        line: 4,
        column: 'b',
        type: 'type_mismatch',
        reason: 'Line 4, column b: "2024-13-01" cannot be stored as date without changing it. Correct the value.',
        raw: 'q,2024-13-01',
      },
    ]);
  });

  it('broken UTF-8 and NUL, each in its own row only', async () => {
    const { sent, rejections } = await read(
      'csv',
      Buffer.from('a,b\nx,\nM\xfcller,\n\xc3\xbc,\ny\0z,\nlast,', 'latin1'),
    );
    expect(sent).toEqual([
      ['x', 1],
      ['ü', 3],
      ['last', 5],
    ]);
    expect(rejections).toEqual([
      {
        record: 2,
        line: 3,
        column: null,
        type: 'malformed',
        reason: 'Line 3 is not valid UTF-8. Save the file as UTF-8.',
        raw: 'M\ufffdller,',
      },
      {
        record: 4,
        line: 5,
        column: null,
        type: 'malformed',
        reason: 'Line 5 holds a NUL character, which PostgreSQL cannot store. Remove it.',
        raw: 'y\u2400z,',
      },
    ]);
  });

  it('a merge key without a value, but not a blank line', async () => {
    const columns = [{ ...COLUMNS[0]!, required: true }, COLUMNS[1]!];
    const { sent, rejections } = await read('csv', 'a,b\n\n,2024-01-01\n"",2024-01-01\nNULL,\n,\n', { columns });
    expect(sent).toEqual([
      ['', 2],
      ['NULL', 3],
    ]);
    expect(rejections.map(({ record, line, column, reason }) => [record, line, column, reason])).toEqual([
      [1, 3, 'a', 'Line 3, column a: it is a merge key and has no value. Fill it in.'],
      [4, 6, 'a', 'Line 6, column a: it is a merge key and has no value. Fill it in.'],
    ]);
  });

  it('but a quote that is never closed fails the file: what belongs to it cannot be told', async () => {
    await expect(read('csv', 'a,b\nx,\n"y,\nz,\n')).rejects.toMatchObject({
      type: 'malformed',
      place: { line: 3, column: 'a' },
    });
    await expect(read('csv', 'a,b\nx,no\ny,bad,"z\n\n')).rejects.toMatchObject({ place: { line: 3 } });
  });

  it('but a header that is broken fails the file', async () => {
    await expect(read('csv', Buffer.from('a,b\xff\n1,\n', 'latin1'))).rejects.toMatchObject({ name: 'BadFile' });
  });

  it('but a file without the merge key at all fails', async () => {
    const columns = [COLUMNS[0]!, { ...COLUMNS[1]!, required: true }];
    await expect(read('csv', 'a\nx\n', { columns })).rejects.toMatchObject({
      type: 'schema_mismatch',
      message: 'f lacks what rows are merged by: b. Add it to the file.',
    });
  });
});

describe('of NDJSON, a bad line is left out and the rest is loaded:', () => {
  it('lines that are no JSON, cut short, or no object', async () => {
    const { sent, rejections } = await read(
      'json',
      '{"a":"x"}\n{"a":}\n{"a":"y","b":\n{"a":"z"}\n7\n\n{"a":"q"},\n{"a":"last","b":nul',
    );
    expect(sent).toEqual([
      ['x', 1],
      ['z', 4],
      ['q', 6],
    ]);
    expect(rejections.map(({ record, line, raw }) => [record, line, raw])).toEqual([
      [2, 2, '{"a":}'],
      [3, 3, '{"a":"y","b":'],
      [5, 5, '7'],
      [7, 7, ','],
      [8, 8, '{"a":"last","b":nul'],
    ]);
    expect(rejections[0]).toEqual({
      record: 2,
      line: 2,
      column: null,
      type: 'malformed',
      reason: 'f, line 2: a value was expected where "}" stands.',
      raw: '{"a":}',
    });
  });

  it('broken UTF-8, U+0000, half a surrogate pair and what is nested too deeply', async () => {
    const deep = `{"a":${'['.repeat(600)}${']'.repeat(600)}}`;
    const lines = [
      '{"a":"x"}',
      '{"a":"\xff"}',
      '{"a":"\\u0000"}',
      '{"a":"\\ud83d"}',
      '{"\\ud83d":1}',
      deep,
      '{"a":"z"}',
    ];
    const reading = await copied(await open('json', Buffer.from(lines.join('\n'), 'latin1'), { unknown: 'ignore' }));
    expect(texts(reading.rows).map(([a]) => a)).toEqual(['x', 'z']);
    expect(reading.rejections.map(({ line, type }) => [line, type])).toEqual([
      [2, 'malformed'],
      [3, 'malformed'],
      [4, 'malformed'],
      [5, 'malformed'],
      [6, 'limit'],
    ]);
  });

  it('values that do not fit, and merge keys without a value', async () => {
    const columns = [COLUMNS[1]!, { ...COLUMNS[0]!, required: true }];
    const { sent, rejections } = await read(
      'json',
      '{"b":"2024-01-01","a":"x"}\n{"b":20240101,"a":"y"}\n{"b":null}\n{"a":null}\n{"a":"z"}',
      { columns },
    );
    expect(sent.map(([, number]) => number)).toEqual([1, 5]);
    expect(rejections.map(({ column, type, reason }) => [column, type, reason])).toEqual([
      [
        'b',
        'type_mismatch',
        'Line 2, field b: 20240101 cannot be stored as date without changing it. Correct the value.',
      ],
      ['a', 'type_mismatch', 'Line 3, field a: it is a merge key and has no value. Fill it in.'],
      ['a', 'type_mismatch', 'Line 4, field a: it is a merge key and has no value. Fill it in.'],
    ]);
  });

  it.each([
    ['records go over several lines', '{\n"a":"x"\n}\n{"a":oops, "b":\n{"a":"inner"}\n}\n'],
    ['the first record does', '{"a":\noops, "b":{"a":"inner"}}\n'],
    ['they are in an array', '[{"a":"x"},\n{"a":oops},\n{"a":"y"}]'],
  ])('but where %s, what is no JSON fails the file', async (_, content) => {
    await expect(read('json', content)).rejects.toMatchObject({ name: 'BadFile', type: 'malformed' });
  });

  it('but of an array, too, what is JSON and does not fit', async () => {
    const { sent, rejections } = await read('json', '[{"a":"x"},\n{"a":"\\u0000"},\n{"b":1}, {"a":"y"}]');
    expect(sent).toEqual([
      ['x', 1],
      ['y', 4],
    ]);
    expect(rejections.map(({ record, line, raw }) => [record, line, raw])).toEqual([
      [2, 2, '{"a":"\\u0000"}'],
      [3, 3, '{"b":1}'],
    ]);
  });
});

describe.each<[Format, string]>([
  ['csv', 'a,b\n1,\n2,x\n\n3,\n4,\n5,\n'],
  ['json', '{"a":"1"}\n{"a":"2","b":"x"}\n\n{"a":"3"}\n{"a":"4"}\n{"a":"5"}'],
])('of a file in %s,', (format, content) => {
  const refused = new Map([[4, { column: 'b', reason: 'duplicate key' }]]);

  it('what the server refused is left out with its words, also where bad rows fail', async () => {
    const { sent, rejections } = await read(format, content, {}, refused);
    expect(sent.map(([, number]) => number)).toEqual([1, 3, 5]);
    expect(rejections[1]).toMatchObject({ record: 4, column: 'b', type: 'destination', reason: 'duplicate key' });
    const good = content.replace(/2,x|,"b":"x"/, (it) => (it === '2,x' ? '2,' : ''));
    expect((await read(format, good, { badRows: 'fail' }, refused)).rejections).toHaveLength(1);
  });

  it('the n-th row sent is found by number and line', async () => {
    const opened = await open(format, content);
    expect(await Promise.all([1, 2, 3, 4, 5].map((sent) => opened.locate(sent, new Map())))).toEqual([
      { record: 1, line: format === 'csv' ? 2 : 1 },
      { record: 3, line: format === 'csv' ? 5 : 4 },
      { record: 4, line: format === 'csv' ? 6 : 5 },
      { record: 5, line: format === 'csv' ? 7 : 6 },
      null,
    ]);
    expect(await opened.locate(3, refused)).toEqual({ record: 5, line: format === 'csv' ? 7 : 6 });
  });
});

test('what is kept of a bad row is cut after 64 KiB', async () => {
  const { rejections } = await copied(await open('csv', `a,b\n${'x'.repeat(100_000)}\n`));
  expect(rejections[0]?.raw).toBe('x'.repeat(65_536));
});

test('columns a file lacks are told: of CSV at once, of JSON when it was read, and never of an empty file', async () => {
  const [lacking, empty] = [await open('csv', 'a\nx\n'), await open('csv', '')];
  expect([lacking.missing(), empty.missing()]).toEqual([['b'], []]);
  const [records, none] = [await open('json', '{"a":null}\n{"a":"y"}'), await open('json', '[]')];
  expect(records.missing()).toEqual([]);
  await copied(records);
  await copied(none);
  expect([records.missing(), none.missing()]).toEqual([['b'], []]);
});
