import { DestinationError, type LoadColumn, RowRefused } from '@sluice/connectors';
import {
  big,
  type Cell,
  column,
  type DestinationPlane,
  destinationPlane,
  entry,
  int,
  jsonb,
  order,
  put,
  send,
  text,
} from '../support/destination';

const ID = column('id', 'integer', { required: true });
const NAME = column('name', 'text');
const COLUMNS = [ID, NAME];
const MERGE = order(COLUMNS, { keys: ['id'] });

let plane: DestinationPlane;
beforeAll(async () => {
  plane = await destinationPlane();
});
afterEach(() => plane.clean());
afterAll(() => plane.close());

/** Merges files of (id, name) rows in one batch. */
async function mergeFiles(files: Record<string, [number, string | null][]>): Promise<void> {
  const session = await plane.session();
  await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
  await session.batch(MERGE, async (batch) => {
    const loaded = [];
    for (const [path, rows] of Object.entries(files))
      loaded.push(
        await put(
          batch,
          path,
          COLUMNS,
          rows.map(([id, name]) => [int(id), text(name)]),
        ),
      );
    return loaded;
  });
}

const table = () => plane.rows('SELECT id, name FROM t ORDER BY id');

describe('a batch that merges', () => {
  it('keeps of rows with one key the last of the last file', async () => {
    await mergeFiles({
      a: [
        [1, 'first'],
        [1, 'second'],
        [2, 'only'],
      ],
      b: [
        [1, 'third'],
        [3, 'x'],
        [3, 'y'],
      ],
    });
    expect(await table()).toEqual([
      { id: 1, name: 'third' },
      { id: 2, name: 'only' },
      { id: 3, name: 'y' },
    ]);
  });

  it.each(['citext', 'text COLLATE nocase'])('takes keys of %s for one that their type takes for one', async (type) => {
    await plane.client.query(`CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
      CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE t (code ${type} NOT NULL UNIQUE, name text, _load_id bigint)`);
    const columns = [column('code', 'text', { required: true }), NAME];
    const session = await plane.session();
    await session.batch(order(columns, { keys: ['code'] }), async (batch) => [
      await put(batch, 'a', columns, [
        [text('A'), text('first')],
        [text('a'), text('second')],
        [text('b'), text('only')],
      ]),
    ]);
    expect(await plane.rows('SELECT name FROM t ORDER BY code')).toEqual([{ name: 'second' }, { name: 'only' }]);
  });

  it('keeps the last part of a file before the higher row of an earlier part', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    await session.batch(MERGE, async (batch) => {
      const file = (path: string, fail: boolean) =>
        batch.file(async (write) => {
          await send(write, COLUMNS, [
            [int(5), text('x')],
            [int(6), text('y')],
            [int(1), text(`${path} early`)],
          ]);
          await send(write, COLUMNS, [[int(1), text(`${path} late`)]]);
          if (fail) throw new Error('after its second part');
          return { loadId: write.loadId, entry: entry(path), version: 'v', rows: 4, rejected: 0 };
        });
      await expect(file('failing', true)).rejects.toThrow('after its second part');
      return [await file('a', false)];
    });
    expect(await plane.values('SELECT name FROM t WHERE id = 1')).toEqual(['a late']);
  });

  it('begins again with the next file when the first one fails after its rejected rows', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    await session.batch(MERGE, async (batch) => {
      const failing = batch.file(async (file) => {
        await file.reject('a', none());
        await send(file, COLUMNS, [[int(1), text('x')]]);
        throw new Error('too many rejected');
      });
      await expect(failing).rejects.toThrow('too many rejected');
      return [await put(batch, 'b', COLUMNS, [[int(2), text('y')]])];
    });
    expect(await table()).toEqual([{ id: 2, name: 'y' }]);
  });

  it('takes the place of rows of earlier batches, and inserts the new ones', async () => {
    await mergeFiles({
      a: [
        [1, 'old'],
        [2, 'stays'],
      ],
    });
    await mergeFiles({
      b: [
        [1, 'new'],
        [3, 'added'],
      ],
    });
    expect(await table()).toEqual([
      { id: 1, name: 'new' },
      { id: 2, name: 'stays' },
      { id: 3, name: 'added' },
    ]);
  });

  it('sets NULL where the later row has none, and knows NULL from a value', async () => {
    await mergeFiles({
      a: [
        [1, 'x'],
        [2, null],
        [3, null],
      ],
    });
    await mergeFiles({
      b: [
        [1, null],
        [2, 'y'],
        [3, null],
      ],
    });
    expect(await table()).toEqual([
      { id: 1, name: null },
      { id: 2, name: 'y' },
      { id: 3, name: null },
    ]);
  });

  it('sets the columns a file lacks to NULL', async () => {
    await mergeFiles({ a: [[1, 'x']] });
    const session = await plane.session();
    await session.batch(MERGE, async (batch) => [await put(batch, 'b', [ID], [[int(1)]])]);
    expect(await table()).toEqual([{ id: 1, name: null }]);
  });

  it('leaves rows alone that do not differ', async () => {
    await mergeFiles({
      a: [
        [1, 'same'],
        [2, null],
        [3, 'old'],
      ],
    });
    const before = await plane.rows('SELECT id, xmin, ctid, _load_id FROM t ORDER BY id');
    await mergeFiles({
      b: [
        [1, 'same'],
        [2, null],
        [3, 'new'],
      ],
    });
    const after = await plane.rows('SELECT id, xmin, ctid, _load_id FROM t ORDER BY id');
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after[2]).not.toEqual(before[2]);
  });

  it.each([
    ['json', '{"a": 1}', '{"a":1}'],
    ['jsonb', '{"a": 1}', '{"a": 1.0}'],
    ['numeric', '1.0', '1.00'],
    ['text COLLATE nocase', 'a', 'A'],
    ['xml', '<a/>', '<b/>'],
    ['point', '(1,2)', '(1,3)'],
  ])('sees each difference of %s, and none where there is none', async (type, first, second) => {
    await plane.client
      .query(`CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE t (id int NOT NULL UNIQUE, v ${type}, _load_id bigint)`);
    const session = await plane.session();
    const sql = type.split(' ')[0] as string;
    const value = sql === 'json' || sql === 'text' ? column('v', sql) : column('v', 'text', { cast: sql });
    const given = sql === 'jsonb' ? column('v', 'jsonb') : sql === 'numeric' ? column('v', 'numeric') : value;
    const cell = (v: string): Cell => (sql === 'jsonb' ? jsonb(v) : sql === 'numeric' ? numeric(v) : text(v));
    const columns: LoadColumn[] = [ID, given];
    const merge = (path: string, v: string) =>
      session.batch(order(columns, { keys: ['id'] }), async (batch) => [
        await put(batch, path, columns, [[int(1), cell(v)]]),
      ]);
    const state = () => plane.rows('SELECT xmin, v::text FROM t');
    await merge('a', first);
    const [before] = await state();
    await merge('b', first);
    expect(await state()).toEqual([before]);
    await merge('c', second);
    const [after] = await state();
    expect(after?.['v']).toBe(second);
    expect(after?.['xmin']).not.toBe(before?.['xmin']);
  });

  it('merges _rescued with the other columns', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: true });
    const rescuing = order(COLUMNS, { keys: ['id'], rescued: true });
    await session.batch(rescuing, async (batch) => [
      await put(batch, 'a', COLUMNS, [[int(1), text('x'), jsonb('{"n": 1}')]]),
    ]);
    await session.batch(rescuing, async (batch) => [await put(batch, 'b', COLUMNS, [[int(1), text('x'), null]])]);
    expect(await plane.rows('SELECT id, name, _rescued FROM t')).toEqual([{ id: 1, name: 'x', _rescued: null }]);
  });

  it('touches no column that the files do not know', async () => {
    await plane.client.query(
      "CREATE TABLE t (note text DEFAULT 'mine', name text, id int, _load_id bigint, UNIQUE (id))",
    );
    const session = await plane.session();
    await session.batch(MERGE, async (batch) => [await put(batch, 'a', COLUMNS, [[int(1), text('x')]])]);
    await plane.client.query("UPDATE t SET note = 'theirs'");
    await session.batch(MERGE, async (batch) => [
      await put(batch, 'b', COLUMNS, [
        [int(1), text('y')],
        [int(2), text('z')],
      ]),
    ]);
    expect(await plane.rows('SELECT id, name, note FROM t ORDER BY id')).toEqual([
      { id: 1, name: 'y', note: 'theirs' },
      { id: 2, name: 'z', note: 'mine' },
    ]);
  });

  it('takes nothing but keys, and several of them in any order', async () => {
    await plane.client.query('CREATE TABLE t (a bigint, b int, _load_id bigint, UNIQUE (b, a))');
    const keys = [column('a', 'bigint'), column('b', 'integer')];
    const session = await plane.session();
    await session.batch(order(keys, { keys: ['a', 'b'] }), async (batch) => [
      await put(batch, 'x', keys, [
        [big(1), int(1)],
        [big(1), int(2)],
        [big(1), int(1)],
      ]),
    ]);
    await session.batch(order(keys, { keys: ['a', 'b'] }), async (batch) => [
      await put(batch, 'y', keys, [
        [big(1), int(2)],
        [big(1), int(3)],
        [big(2), int(1)],
      ]),
    ]);
    expect(await plane.rows('SELECT a, b FROM t ORDER BY a, b')).toEqual([
      { a: '1', b: 1 },
      { a: '1', b: 2 },
      { a: '1', b: 3 },
      { a: '2', b: 1 },
    ]);
  });

  it('says which statement makes the index that a table of somebody else lacks', async () => {
    await plane.client.query(
      'CREATE TABLE t (id int, name text, _load_id bigint); CREATE UNIQUE INDEX ON t (id) WHERE id > 0',
    );
    const session = await plane.session();
    const merging = session.batch(MERGE, () => Promise.resolve([]));
    await expect(merging).rejects.toThrow(DestinationError);
    await expect(merging).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'never' });
    await expect(merging).rejects.toThrow('CREATE UNIQUE INDEX ON "public"."t" ("id")');
  });

  it('gives a table of ours the index it lacks', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: [], rescued: false });
    await session.batch(MERGE, async (batch) => [await put(batch, 'a', COLUMNS, [[int(1), text('x')]])]);
    expect((await session.table(plane.table))?.uniqueKeys).toEqual([['id']]);
  });

  it('refuses a row without its key, by its number, and goes on with the next file', async () => {
    const session = await plane.session();
    await plane.client.query('CREATE TABLE t (id int UNIQUE, name text, _load_id bigint)');
    await session.batch(MERGE, async (batch) => {
      const refused = await put(batch, 'a', COLUMNS, [
        [int(1), null],
        [null, text('x')],
      ]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RowRefused);
      expect(refused).toMatchObject({ row: 2, column: 'id' });
      return [await put(batch, 'b', COLUMNS, [[int(2), text('y')]])];
    });
    expect(await table()).toEqual([{ id: 2, name: 'y' }]);
  });

  it.each([
    ["CHECK (name <> 'bad')", 'check constraint'],
    ['UNIQUE (name)', 'Key (name)=(bad) already exists'],
  ])('tells of the batch what the table refuses of it: %s', async (constraint, said) => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    await plane.client.query(`ALTER TABLE t ADD ${constraint}`);
    const merging = session.batch(MERGE, async (batch) => [
      await put(batch, 'a', COLUMNS, [
        [int(1), text('bad')],
        [int(2), text('bad')],
      ]),
    ]);
    await expect(merging).rejects.toThrow(RowRefused);
    await expect(merging).rejects.toThrow(said);
    expect(await table()).toEqual([]);
    expect(await plane.values('SELECT path FROM sluice.ledger')).toEqual([]);
  });

  it('replaces what an earlier version of a file brought and nothing has taken the place of', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    let first = 0n;
    await session.batch(MERGE, async (batch) => {
      const loaded = await put(batch, 'a', COLUMNS, [
        [int(1), text('a')],
        [int(2), text('a')],
      ]);
      first = loaded.loadId;
      return [loaded];
    });
    await session.batch(MERGE, async (batch) => [await put(batch, 'b', COLUMNS, [[int(2), text('b')]])]);
    await session.batch(MERGE, async (batch) => [
      await batch.file(async (file) => {
        await file.replace(first.toString());
        const rows = await send(file, COLUMNS, [[int(3), text('a2')]]);
        return { loadId: file.loadId, entry: entry('a'), version: 'v2', rows, rejected: 0 };
      }),
    ]);
    expect(await table()).toEqual([
      { id: 2, name: 'b' },
      { id: 3, name: 'a2' },
    ]);
  });
});

describe('two ingestions that merge into one table', () => {
  // The rows lie in the table in the other order; the lock on the middle one lets both get half way.
  it('one of which deletes in another order than the other writes are not ended by a deadlock', async () => {
    const first = await plane.session();
    await first.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    await plane.client.query("INSERT INTO t VALUES (3, 'old', 0), (2, 'old', 0), (1, 'old', 0)");
    await plane.client.query('BEGIN; SELECT FROM t WHERE id = 2 FOR UPDATE');
    const replacing = first.batch(MERGE, async (batch) => {
      await batch.file((file) => file.replace('0'));
      return [];
    });
    const second = await plane.session();
    await plane.waiting(1);
    const merging = second.batch(MERGE, async (batch) => [
      await put(
        batch,
        'a',
        COLUMNS,
        [1, 2, 3].map((id) => [int(id), text('new')]),
      ),
    ]);
    await plane.waiting(2);
    await plane.client.query('COMMIT');
    await Promise.all([replacing, merging]);
    expect(await plane.values('SELECT name FROM t')).toEqual(['new', 'new', 'new']);
  });

  it('wait for each other: none is ended by a deadlock, no key is doubled, and replacing takes part', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => n);
    const first = await plane.session();
    await first.createTable(plane.table, COLUMNS, { keys: ['id'], rescued: false });
    const sessions = [first, await plane.session(), await plane.session()];
    await Promise.all(
      sessions.map(async (session, who) => {
        let last: string | null = null;
        for (let round = 0; round < 12; round++)
          await session.batch(MERGE, async (batch) => {
            const shuffled = who % 2 === 0 ? ids : [...ids].reverse();
            const loaded = await batch.file(async (file) => {
              if (last !== null) await file.replace(last);
              const rows = await send(
                file,
                COLUMNS,
                shuffled.map((id) => [int(id), text(`${who} ${round}`)]),
              );
              return { loadId: file.loadId, entry: entry(`f${who}`), version: 'v', rows, rejected: 0 };
            });
            last = loaded.loadId.toString();
            return [loaded];
          });
      }),
    );
    expect(await plane.rows('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS keys FROM t')).toEqual([
      { rows: 300, keys: 300 },
    ]);
    expect(await plane.values('SELECT count(DISTINCT name)::int FROM t')).toEqual([1]);
  });
});

/** Of a number below ten, with `.` and zeros. */
function numeric(value: string): Buffer {
  const scale = value.split('.')[1]?.length ?? 0;
  const bytes = Buffer.alloc(10);
  bytes.writeInt16BE(1, 0);
  bytes.writeInt16BE(scale, 6);
  bytes.writeInt16BE(Number.parseInt(value, 10), 8);
  return bytes;
}

async function* none(): AsyncGenerator<never> {
  // No row was rejected.
}
