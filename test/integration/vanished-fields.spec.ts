import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const isNullable = async (column: string) =>
  plane.rows(`SELECT is_nullable FROM information_schema.columns WHERE table_name = 't' AND column_name = '${column}'`);

async function loaded(on_schema_change: 'sync_all_columns' | 'append_new_columns') {
  const order = await plane.order({ on_schema_change });
  await plane.write('a.ndjson', '{"id": 1, "v": "x"}\n');
  expect((await plane.run(order)).errors).toEqual([]);
  await plane.rows('ALTER TABLE t ALTER COLUMN v SET NOT NULL');
  return order;
}

describe('a field that a file of JSON no longer has, whose column is NOT NULL,', () => {
  it('loses its NOT NULL under sync_all_columns, as a new version of the schema', async () => {
    const order = await loaded('sync_all_columns');
    await plane.write('b.ndjson', '{"id": 2}\n{"id": 3}\n');
    expect(await plane.run(order)).toMatchObject({ status: 'success', errors: [], metrics: { rows_ingested: 2 } });
    expect(await isNullable('v')).toEqual([{ is_nullable: 'YES' }]);
    expect(
      await plane.control(
        `SELECT changes FROM sluice_control.schema_version WHERE ingestion_id = '${order.id}' AND version = 2`,
      ),
    ).toMatchObject([{ changes: [{ kind: 'nullable', column: 'v' }] }]);
  });

  it('keeps it where only some records lack it: the first of them is a bad row', async () => {
    const order = await loaded('sync_all_columns');
    await plane.write('b.ndjson', '{"id": 2, "v": "y"}\n{"id": 3, "v": null}\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [{ file: 'b.ndjson', line: 2, error_type: 'destination', column: 'v' }],
    });
    expect(await isNullable('v')).toEqual([{ is_nullable: 'NO' }]);
  });

  it('keeps it under other policies, and the file fails with its line', async () => {
    const order = await loaded('append_new_columns');
    await plane.write('b.ndjson', '{"id": 2}\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [{ file: 'b.ndjson', line: 1, column: 'v', error_type: 'destination' }],
    });
  });
});
