import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

async function load(
  files: Record<string, string | Buffer>,
  on_schema_change: 'ignore' | 'fail' | 'append_new_columns' = 'append_new_columns',
) {
  for (const [path, content] of Object.entries(files)) await plane.write(path, content);
  return plane.run(await plane.order({ on_schema_change }));
}

test('values of every kind arrive as they stand, nested ones as jsonb', async () => {
  const outcome = await load({
    'a.ndjson':
      '{"id": 1, "n": 1.5, "big": 12345678901234567890123, "code": "007", "at": "2024-01-01T10:00:00Z", "day": "2024-02-29", "ok": true, "tags": ["a", {"b": 1.10}], "any": 1}\n' +
      '{"id": 2, "n": 2, "big": 1, "code": "x", "at": null, "day": "2024-03-01", "ok": false, "tags": null, "any": "one"}\n',
  });
  expect(outcome.errors).toEqual([]);
  expect(
    await plane.rows(
      `SELECT id, n, big::text, code, (at AT TIME ZONE 'UTC')::text AS at, day::text, ok, tags::text, "any" FROM t ORDER BY id`,
    ),
  ).toEqual([
    {
      id: '1',
      n: 1.5,
      big: '12345678901234567890123',
      code: '007',
      at: '2024-01-01 10:00:00',
      day: '2024-02-29',
      ok: true,
      tags: '["a", {"b": 1.10}]',
      any: '1',
    },
    { id: '2', n: 2, big: '1', code: 'x', at: null, day: '2024-03-01', ok: false, tags: null, any: 'one' },
  ]);
});

test.each([
  ['a bad line', '{"id": 1}\n{"id": 2}\n{"id": 3,}\n', 3],
  ['a truncated end', '{"id": 1}\n{"id": 2', 2],
  ['a scalar', '{"id": 1}\n7\n', 2],
  ['half a surrogate pair as a name', '{"id": 1}\n{"\\ud800": 1}\n', 2],
  ['U+0000', '{"id": 1}\n{"id": 2, "x": "\\u0000"}\n', 2],
  ['an array never closed', '[{"id": 1},\n{"id": 2}\n', 3],
])('a file with %s fails with its line, nothing of it is in, and the others load', async (_, text, line) => {
  const outcome = await load({ 'a.json': text, 'b.json': '[{"id": 9}]' });
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [{ file: 'a.json', line, error_type: 'malformed' }],
    metrics: { files_failed: 1, rows_ingested: 1 },
  });
  expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '9' }]);
});

test('half a surrogate pair within a nested value is refused with its line by the server', async () => {
  const outcome = await load({
    'a.json': '{"id": 1, "x": {}}\n\n{"id": 2,\n "x": {"y": "\\ud800"}}\n',
    'b.json': '{"id": 3, "x": {"y": "\\ud83d\\ude00"}}',
  });
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [{ file: 'a.json', line: 3, error_type: 'destination' }],
  });
  expect(await plane.rows(`SELECT x->>'y' AS y FROM t`)).toEqual([{ y: '😀' }]);
});

test('a key that is new in the middle of a file brings its column', async () => {
  await load({ 'a.json': '{"id": 1}' });
  const lines = Array.from({ length: 5000 }, (_, i) =>
    i === 4000 ? `{"id": ${i}, "extra": "x"}` : `{"id": ${i}}`,
  ).join('\n');
  const order = await plane.order();
  await plane.write('b.json', lines);
  expect((await plane.run(order)).errors).toEqual([]);
  expect(await plane.rows('SELECT id FROM t WHERE extra IS NOT NULL')).toEqual([{ id: '4000' }]);
});

test('objects with nothing that is expected fail their file', async () => {
  const outcome = await load({ 'a.json': '{"id": 1}', 'b.json': '{}' });
  expect(outcome).toMatchObject({ status: 'partial', errors: [{ file: 'b.json', error_type: 'schema_mismatch' }] });
});

test('numbers of floating point with 16 digits and more stay numbers, exactly', async () => {
  expect((await load({ 'a.json': '[{"x": 1.2345678901234567e-05}, {"x": 0.5}, {"x": 1e2}]' })).errors).toEqual([]);
  expect(await plane.rows('SELECT x::text, pg_typeof(x)::text AS type FROM t')).toEqual([
    { x: '0.000012345678901234567', type: 'numeric' },
    { x: '0.5', type: 'numeric' },
    { x: '100', type: 'numeric' },
  ]);
});

test('a file whose records have no field is refused, whether there is a table or not: its rows would be nowhere', async () => {
  const order = await plane.order();
  await plane.write('a.json', '[{}, {}]');
  expect(await plane.run(order)).toMatchObject({
    status: 'failed',
    metrics: { rows_ingested: 0 },
    errors: [{ error_type: 'schema_mismatch', message: expect.stringContaining('a.json has 2 records and no field') }],
  });
  await plane.write('b.json', '[{"a": 1}, {}]');
  await plane.run(order);
  expect(await plane.run(order)).toMatchObject({ errors: [{ file: 'a.json', error_type: 'schema_mismatch' }] });
  expect(await plane.rows('SELECT a FROM t ORDER BY a')).toEqual([{ a: '1' }, { a: null }]);
});
