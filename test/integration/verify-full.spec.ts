import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPlane, type OrderOverrides, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

/** Whole seconds, so that setting it back gives the very same time. */
const THEN = new Date('2024-05-01T12:00:00Z');

async function put(path: string, content: string): Promise<string> {
  await plane.write(path, content);
  await utimes(join(plane.folder, path), THEN, THEN);
  const { size, mtimeNs, ino } = await stat(join(plane.folder, path), { bigint: true });
  return `${size}:${mtimeNs}:${ino}`;
}

/** A file is loaded, then changed in place with nothing to be seen of it from outside. */
async function loadedAndChanged(overrides: OrderOverrides) {
  const before = await put('a.csv', 'id\n1\n');
  await put('b.csv', 'id\n2\n');
  const order = await plane.order(overrides);
  await plane.run(order);
  expect(await put('a.csv', 'id\n7\n')).toBe(before);
  return order;
}

const ids = async () => (await plane.rows<{ id: string }>('SELECT id FROM t ORDER BY id')).map(({ id }) => Number(id));

describe('a file changed in place, with its size, time and inode as they were,', () => {
  it.each([{}, { verify: 'quick' as const }])('counts as unchanged with the options %j', async (options) => {
    const order = await loadedAndChanged({ options, changed_files: 'reload' });
    expect(await plane.run(order)).toMatchObject({ status: 'success', summary: 'Nothing new to load.' });
    expect(await ids()).toEqual([1, 2]);
  });

  it('is reported with verify: full, and its rows are left alone', async () => {
    const order = await loadedAndChanged({ options: { verify: 'full' } });
    expect(await plane.run(order)).toMatchObject({
      status: 'success',
      errors: [{ file: 'a.csv', error_type: 'changed' }],
      metrics: { files_processed: 0 },
    });
    expect(await ids()).toEqual([1, 2]);
  });

  it('is loaded in place of its old rows with verify: full and reload, alone and once', async () => {
    const order = await loadedAndChanged({ options: { verify: 'full' }, changed_files: 'reload' });
    expect(await plane.run(order)).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 1 } });
    expect(await ids()).toEqual([2, 7]);
    expect(await plane.run(order)).toMatchObject({ status: 'success', summary: 'Nothing new to load.' });
    expect(await ids()).toEqual([2, 7]);
  });

  it('fails the run with verify: full and changed_files: fail', async () => {
    const order = await loadedAndChanged({ options: { verify: 'full' }, changed_files: 'fail' });
    expect(await plane.run(order)).toMatchObject({ status: 'failed', errors: [{ error_type: 'changed' }] });
  });

  it('makes an overwritten table anew with verify: full', async () => {
    const order = await loadedAndChanged({ options: { verify: 'full' }, write_mode: 'overwrite' });
    expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { files_processed: 2 } });
    expect(await ids()).toEqual([2, 7]);
    expect(await plane.run(order)).toMatchObject({ summary: 'Nothing new to load.' });
  });
});

it('loads what is new beside what is proved unchanged', async () => {
  await put('a.csv', 'id\n1\n');
  const order = await plane.order({ options: { verify: 'full' }, changed_files: 'reload' });
  await plane.run(order);
  await put('b.csv', 'id\n2\n');
  expect(await plane.run(order)).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 1 } });
  expect(await ids()).toEqual([1, 2]);
});
