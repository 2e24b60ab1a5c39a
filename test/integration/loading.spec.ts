import { gzipSync } from 'node:zlib';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeEach(async () => {
  plane = await dataPlane();
});
afterEach(() => plane.close());

test('csv, json, ndjson and gzip files of one folder end in one table, each row with the id of its file', async () => {
  await plane.write('a.csv', 'id,name\n1,one\n2,"two, too"\n');
  await plane.write('b.json', '[{"id": 3, "name": "three"}]');
  await plane.write('c.ndjson', '{"id": 4, "name": "fo\\u00fcr"}\n');
  await plane.write('d.csv.gz', gzipSync('name,id\nfive,5\n'));
  const outcome = await plane.run(await plane.order());
  expect(outcome.errors).toEqual([]);
  expect(outcome).toMatchObject({
    status: 'success',
    metrics: { files_discovered: 4, files_processed: 4, rows_ingested: 5 },
  });
  const rows = await plane.rows(
    'SELECT t.id, t.name, l.path FROM t JOIN sluice.ledger l ON l.load_id = t._load_id ORDER BY t.id',
  );
  expect(rows).toEqual([
    { id: '1', name: 'one', path: 'a.csv' },
    { id: '2', name: 'two, too', path: 'a.csv' },
    { id: '3', name: 'three', path: 'b.json' },
    { id: '4', name: 'foür', path: 'c.ndjson' },
    { id: '5', name: 'five', path: 'd.csv.gz' },
  ]);
});
