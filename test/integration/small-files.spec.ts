import { gzipSync } from 'node:zlib';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const FILES = 30;

async function writeMany(content: (n: number) => string): Promise<void> {
  for (let n = 0; n < FILES; n++) await plane.write(`f${String(n).padStart(2, '0')}.csv`, content(n));
}

async function counts(): Promise<unknown> {
  return plane.rows(
    'SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, count(DISTINCT _load_id)::int AS loads FROM t',
  );
}

describe('small files of one batch, which share a COPY', () => {
  it('keep each its own load id and number of rows', async () => {
    await writeMany((n) => `id,v\n${n},x\n${n + 100},y\n`);
    expect(await plane.run(await plane.order())).toMatchObject({
      status: 'success',
      metrics: { files_processed: FILES },
    });
    expect(await counts()).toEqual([{ rows: 2 * FILES, ids: 2 * FILES, loads: FILES }]);
    expect(await plane.rows('SELECT DISTINCT rows::int AS rows FROM sluice.ledger')).toEqual([{ rows: 2 }]);
  });

  it('leave nothing of a file that turns out to be bad at its end', async () => {
    await writeMany((n) => `id,v\n${n},x\n${n === 7 ? 'none' : n + 100},y\n`);
    expect(await plane.run(await plane.order({ schema: { columns: { id: 'bigint' } } }))).toMatchObject({
      status: 'partial',
      errors: [{ file: 'f07.csv', line: 3 }],
      metrics: { files_processed: FILES - 1, files_failed: 1 },
    });
    expect(await counts()).toEqual([{ rows: 2 * (FILES - 1), ids: 2 * (FILES - 1), loads: FILES - 1 }]);
  });

  it('are loaded one by one when the server refuses a row of them, and only its file fails, with the line', async () => {
    await plane.rows('CREATE TABLE t (id bigint CHECK (id <> 113), v text, _load_id bigint)');
    await writeMany((n) => `id,v\n${n},x\n${n + 100},y\n`);
    expect(await plane.run(await plane.order())).toMatchObject({
      status: 'partial',
      errors: [{ file: 'f13.csv', line: 3, error_type: 'destination' }],
      metrics: { files_processed: FILES - 1, files_failed: 1 },
    });
    expect(await counts()).toEqual([{ rows: 2 * (FILES - 1), ids: 2 * (FILES - 1), loads: FILES - 1 }]);
  });

  it('may have other columns in between', async () => {
    await writeMany((n) => (n % 3 === 0 ? `id\n${n}\n` : n % 3 === 1 ? `v,id\nx,${n}\n` : ''));
    expect((await plane.run(await plane.order())).errors).toEqual([]);
    expect(await plane.rows('SELECT count(*)::int AS rows, count(v)::int AS values FROM t')).toEqual([
      { rows: 20, values: 10 },
    ]);
  });

  it('go by themselves where they are large once they are expanded', async () => {
    const rows = 400_000;
    await plane.write('a.csv', 'id,v\n-1,x\n');
    await plane.write('b.csv.gz', gzipSync(`id,v\n${Array.from({ length: rows }, (_, n) => `${n},\n`).join('')}`));
    await plane.write('c.csv', 'id,v\n-2,x\n');
    expect((await plane.run(await plane.order())).errors).toEqual([]);
    expect(await counts()).toEqual([{ rows: rows + 2, ids: rows + 2, loads: 3 }]);
  });

  it('are merged so that the last file wins', async () => {
    await writeMany((n) => `id,v\n1,${n}\n${n + 100},x\n`);
    const order = await plane.order({ write_mode: 'merge', merge_keys: ['id'] });
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await plane.rows('SELECT v FROM t WHERE id = 1')).toEqual([{ v: String(FILES - 1) }]);
  });
});
