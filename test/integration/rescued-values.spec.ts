import { DuckDb, type LoadColumn, type ReadPlan } from '@sluice/connectors';
import { CsvReader } from '../../libs/connectors/src/formats/csv/csv-reader';
import { complete } from '../../libs/connectors/src/formats/csv/csv-dialect';
import { JsonReader } from '../../libs/connectors/src/formats/json/json-reader';
import { aPlan, LIMITS, memoryFile, SMALL_DUCKDB } from '../support/copy-rows';
import { type CopyServer, copyServer } from '../support/copy-table';

let server: CopyServer;
beforeAll(async () => {
  server = await copyServer();
});
afterAll(() => server.close());

const csv = new CsvReader(new DuckDb(SMALL_DUCKDB), LIMITS);
const json = new JsonReader(LIMITS);
const COLUMNS: readonly LoadColumn[] = [
  { source: 'Id', name: 'id', type: 'bigint' },
  { source: 'Day', name: 'day', type: 'date' },
];

/** Rows as they lie in the table, `_rescued` read back; whole and cut at any byte. */
async function load(format: 'csv' | 'json', content: string, plan: Partial<ReadPlan>) {
  const reading = async (pieceBytes: number) => {
    const file = memoryFile(content, { pieceBytes });
    const whole = aPlan({ columns: COLUMNS, badRows: 'reject', ...plan });
    const opened = await (format === 'csv'
      ? csv.open(file, { ...whole, dialect: complete({}, {}) })
      : json.open(file, whole));
    const { rows, rejections } = await server.load(opened);
    const read = ({ _rescued, ...row }: Record<string, string | null>) => ({
      ...row,
      rescued: _rescued == null ? null : JSON.parse(_rescued),
    });
    return { rows: rows.map(read), rejected: rejections.map(({ record, column }) => [record, column]) };
  };
  const whole = await reading(content.length);
  for (const bytes of [1, 2, 3, 5, 7, 11, 13]) expect(await reading(bytes)).toEqual(whole);
  return whole;
}

describe('under rescue,', () => {
  it('a CSV value without a column or that does not fit is kept as a string beside its row', async () => {
    const content =
      'Id,Day,New "x"\n1,2024-01-01,\n2,yesterday,"say ""hi""\n\\ü"\n007,,\n\n4,2024-01-01,""\n5,x,y,z\n6,2024-01-01,plain\n';
    const { rows, rejected } = await load('csv', content, { unknown: 'rescue', unfit: 'rescue' });
    expect(rows).toEqual([
      { id: '1', day: '2024-01-01', rescued: null },
      { id: '2', day: null, rescued: { Day: 'yesterday', 'New "x"': 'say "hi"\n\\ü' } },
      { id: null, day: null, rescued: { Id: '007' } },
      { id: '4', day: '2024-01-01', rescued: { 'New "x"': '' } },
      { id: '6', day: '2024-01-01', rescued: { 'New "x"': 'plain' } },
    ]);
    expect(rejected).toEqual([[5, null]]);
  });

  it('a JSON value is kept as it stands', async () => {
    const content = [
      '{"Id":1,"Day":"2024-01-01"}',
      '{"Id":"2x","Day":20240101,"more":{"a":[1,"\\u00fc"]},"no":null}',
      '{"Id":3.50,"long":12345678901234567890.10,"t":"line\\nend"}',
      '{"Id":1,"Day":{"y":2024},"oops":"\\ud83d}',
      '{"Id":5,"twice":1,"twice":2}',
      '{"Id":6}',
    ].join('\n');
    const { rows, rejected } = await load('json', content, { unknown: 'rescue', unfit: 'rescue' });
    expect(rows).toEqual([
      { id: '1', day: '2024-01-01', rescued: null },
      { id: null, day: null, rescued: { Id: '2x', Day: 20240101, more: { a: [1, 'ü'] } } },
      { id: null, day: null, rescued: { Id: 3.5, long: 12345678901234567890.1, t: 'line\nend' } },
      { id: '5', day: null, rescued: { twice: 2 } },
      { id: '6', day: null, rescued: null },
    ]);
    expect(rejected).toEqual([[4, null]]);
    const [digits] = await server.query<{ long: string }>("SELECT _rescued->>'long' AS long FROM t WHERE _row = 3");
    expect(digits).toEqual({ long: '12345678901234567890.10' });
  });

  it.each([
    ['csv', 'Id,Day,more\n1,x,y\n,2024-01-01,z\n07,2024-01-01,\n'],
    ['json', '{"Id":1,"Day":"x","more":"y"}\n{"Day":"2024-01-01","more":"z"}\n{"Id":"07","Day":"2024-01-01"}'],
  ] as const)('a merge key in %s is never put aside: its row is bad', async (format, content) => {
    const columns = [{ ...COLUMNS[0]!, required: true }, COLUMNS[1]!];
    const { rows, rejected } = await load(format, content, { columns, unknown: 'rescue', unfit: 'rescue' });
    expect(rows).toEqual([{ id: '1', day: null, rescued: { Day: 'x', more: 'y' } }]);
    expect(rejected).toEqual([
      [2, 'Id'],
      [3, 'Id'],
    ]);
  });

  it.each([
    ['csv', 'Id,Day,more\n1,x,y\n2,2024-01-01,z\n'],
    ['json', '{"Id":1,"Day":"x","more":"y"}\n{"Id":2,"Day":"2024-01-01","more":"z"}'],
  ] as const)('of %s, only what was asked for is kept', async (format, content) => {
    const unknown = await load(format, content, { unknown: 'rescue' });
    expect(unknown).toEqual({
      rows: [{ id: '2', day: '2024-01-01', rescued: { more: 'z' } }],
      rejected: [[1, 'Day']],
    });
    const unfit = await load(format, content, { unknown: 'ignore', unfit: 'rescue' });
    expect(unfit.rows.map(({ rescued }) => rescued)).toEqual([{ Day: 'x' }, null]);
  });
});
