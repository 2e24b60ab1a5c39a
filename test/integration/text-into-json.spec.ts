import type { OrderOverrides } from '../support/data-plane';
import { dataPlane, type Plane } from '../support/data-plane';

/** Texts of other formats that go into a column of JSON. */
let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const HINTED: OrderOverrides = { schema: { columns: { payload: 'jsonb' } } };
const NO_JSON = '"{oops" cannot be stored as jsonb without changing it. Correct the value.';

async function load(overrides: OrderOverrides, ...sets: Record<string, string>[]) {
  const order = await plane.order(overrides);
  const outcomes = [];
  for (const files of sets) {
    for (const [path, content] of Object.entries(files)) await plane.write(path, content);
    outcomes.push(await plane.run(order));
  }
  return outcomes;
}

it('what is JSON is loaded as it is: nested, single values, with blanks around', async () => {
  const content = 'id,payload\n1,"{""a"": [1.50, null]}"\n2, 5\n3,"""x\\u00fc"""\n4,true\n5,\n';
  const [outcome] = await load(HINTED, { 'a.csv': content });
  expect(outcome?.errors).toEqual([]);
  expect(await plane.rows('SELECT payload::text FROM t ORDER BY id')).toEqual([
    { payload: '{"a": [1.50, null]}' },
    { payload: '5' },
    { payload: '"xü"' },
    { payload: 'true' },
    { payload: null },
  ]);
});

it.each(['{oops', '[1,]', '1 2', 'NaN', '"open', '[1', '"\\u0000"', '{"a":1}}', ' '])(
  'what is none (%j) is a bad row with its line, which the file itself is to blame for',
  async (value) => {
    const content = `id,payload\n1,"{}"\n2,"${value.replaceAll('"', '""')}"\n`;
    const [outcome] = await load(HINTED, { 'a.csv': content });
    expect(outcome?.errors).toMatchObject([{ line: 3, column: 'payload', error_type: 'type_mismatch' }]);
  },
);

it('is left out under skip_rows, however many rows there are', async () => {
  const rows = Array.from({ length: 150 }, (_, n) => `${n},{oops\n`).join('');
  const overrides = { ...HINTED, quality: { on_error: 'skip_rows', max_rejected_rows: null } } as const;
  const [outcome] = await load(overrides, { 'a.csv': `id,payload\n${rows}150,{}\n` });
  expect(outcome).toMatchObject({ status: 'success', metrics: { rows_ingested: 1, rows_rejected: 150 } });
  expect(outcome?.errors[0]?.message).toContain(NO_JSON);
});

it('goes into _rescued under rescue', async () => {
  const [outcome] = await load({ ...HINTED, on_schema_change: 'rescue' }, { 'a.csv': 'id,payload\n1,{oops\n2,{}\n' });
  expect(outcome?.errors).toEqual([]);
  expect(await plane.rows('SELECT payload, _rescued FROM t ORDER BY id')).toEqual([
    { payload: null, _rescued: { payload: '{oops' } },
    { payload: {}, _rescued: null },
  ]);
});

it('widens the column to text under sync_all_columns', async () => {
  const outcomes = await load(
    { on_schema_change: 'sync_all_columns' },
    { 'a.json': '[{"a": {"z": 1.50}}]' },
    { 'b.csv': 'a\nx\n' },
  );
  expect(outcomes.map(({ errors }) => errors)).toEqual([[], []]);
  expect(await plane.rows('SELECT a FROM t ORDER BY _load_id')).toEqual([{ a: '{"z": 1.50}' }, { a: 'x' }]);
});
