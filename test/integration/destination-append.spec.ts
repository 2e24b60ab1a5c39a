import { DestinationError, type LoadedFile, type Rejection, RowRefused } from '@sluice/connectors';
import {
  big,
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
  tuple,
} from '../support/destination';

const ID = column('id', 'integer');
const NAME = column('name', 'text');

let plane: DestinationPlane;
beforeAll(async () => {
  plane = await destinationPlane();
});
afterEach(() => plane.clean());
afterAll(() => plane.close());

describe('a batch that appends', () => {
  it('commits the rows of all files together with the ledger', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID, NAME], { keys: [], rescued: false });
    await session.batch(order([ID, NAME]), async (batch) => [
      await put(batch, 'a', [ID, NAME], [[int(1), text('x')]]),
      await put(batch, 'b', [NAME], [[text('y')], [text('z')]]),
    ]);
    expect(await plane.rows('SELECT id, name FROM t ORDER BY name')).toEqual([
      { id: 1, name: 'x' },
      { id: null, name: 'y' },
      { id: null, name: 'z' },
    ]);
    expect(
      await plane.rows(
        'SELECT l.path, l.rows, count(*) AS found FROM sluice.ledger l JOIN t ON t._load_id = l.load_id GROUP BY 1, 2 ORDER BY 1',
      ),
    ).toEqual([
      { path: 'a', rows: '1', found: '1' },
      { path: 'b', rows: '2', found: '2' },
    ]);
  });

  it('goes on without a file that fails after it was copied, and keeps those before and after it', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    const changed = new Error('the file changed while it was read');
    await session.batch(order([ID]), async (batch) => {
      const loaded = [await put(batch, 'a', [ID], [[int(1)]])];
      const failing = batch.file(async (file) => {
        await send(file, [ID], [[int(2)]]);
        throw changed;
      });
      await expect(failing).rejects.toBe(changed);
      loaded.push(await put(batch, 'c', [ID], [[int(3)]]));
      // Fails before it has sent anything: the file before it stays.
      await expect(batch.file(() => Promise.reject(changed))).rejects.toBe(changed);
      return loaded;
    });
    expect(await plane.values('SELECT id FROM t ORDER BY id')).toEqual([1, 3]);
    expect(await plane.values('SELECT path FROM sluice.ledger ORDER BY path')).toEqual(['a', 'c']);
  });

  it('takes each byte as it was sent, whoever writes the memory again as soon as it may, however slow the server is', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID, NAME], { keys: [], rescued: false });
    await plane.client.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.id % 100 = 0 THEN PERFORM pg_sleep(0.02); END IF; RETURN NEW; END $$;
      CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()`);
    let free = 0;
    await session.batch(order([ID, NAME]), async (batch) => {
      const loaded = await batch.file(async (file) => {
        const rows = await file.copy([ID, NAME], async (sink) => {
          let memory = Buffer.alloc(0);
          for (let id = 1; id <= 2_000; id++) {
            // Small enough for a socket to take a piece that it cannot send yet.
            const row = tuple([int(id), text(String(id % 10).repeat(10_000)), big(file.loadId)]);
            const bytes = row.length <= memory.length ? memory.subarray(0, row.length) : Buffer.alloc(row.length);
            row.copy(bytes);
            const mayWrite = await sink(bytes);
            free += mayWrite ? 1 : 0;
            memory = mayWrite ? bytes.fill(0xee) : Buffer.alloc(0);
          }
          return 2_000;
        });
        return { loadId: file.loadId, entry: entry('a'), version: 'v', rows, rejected: 0 };
      });
      return [loaded];
    });
    expect(free).toBeGreaterThan(100);
    expect(await plane.values('SELECT count(*)::integer FROM t WHERE name = repeat((id % 10)::text, 10000)')).toEqual([
      2_000,
    ]);
  });

  it('says which row and column the server refused', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    await plane.client.query('ALTER TABLE t ADD CONSTRAINT small CHECK (id < 10)');
    await session.batch(order([ID]), async (batch) => {
      const refused = await put(batch, 'a', [ID], [[int(1)], [int(10)]]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RowRefused);
      expect(refused).toMatchObject({ row: 2, message: expect.stringContaining('check constraint "small"') });
      return [];
    });
    expect(await plane.values('SELECT id FROM t')).toEqual([]);
  });

  it('brings what was rescued into _rescued, for files without any known column too', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: true });
    await session.batch(order([ID], { rescued: true }), async (batch) => [
      await put(
        batch,
        'a',
        [ID],
        [
          [int(1), jsonb('{"new": 2}')],
          [int(2), null],
        ],
      ),
      await put(batch, 'b', [], [[jsonb('{"x": 1}')]]),
    ]);
    expect(await plane.rows('SELECT id, _rescued FROM t ORDER BY id')).toEqual([
      { id: 1, _rescued: { new: 2 } },
      { id: 2, _rescued: null },
      { id: null, _rescued: { x: 1 } },
    ]);
  });

  it('replaces the earlier version of a file, with its ledger row and rejected rows, in one transaction', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    let old: LoadedFile | undefined;
    await session.batch(order([ID]), async (batch) => {
      old = await put(batch, 'a', [ID], [[int(1)], [int(2)]]);
      await batch.file((file) => file.reject('b', rejections(1)));
      return [old, await put(batch, 'other', [ID], [[int(9)]])];
    });
    const again = () =>
      session.batch(order([ID]), async (batch) => [
        await batch.file(async (file) => {
          await file.replace(String(old?.loadId));
          const rows = await send(file, [ID], [[int(3)]]);
          return { loadId: file.loadId, entry: entry('a', 'f2'), version: 'v2', rows, rejected: 0 };
        }),
      ]);
    await again();
    expect(await plane.values('SELECT id FROM t ORDER BY id')).toEqual([3, 9]);
    expect(await plane.rows('SELECT path, version FROM sluice.ledger ORDER BY path')).toEqual([
      { path: 'a', version: 'v2' },
      { path: 'other', version: 'v other' },
    ]);
  });

  it('keeps rejected rows as they are, whatever is in them, but not of a file that fails', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    const raw = 'a\tb\\N\r\n"\u00e4\u{1F600}"\\.';
    await session.batch(order([ID]), async (batch) => {
      await batch.file((file) => file.reject('a', one({ raw, line: null, column: null })));
      const failing = batch.file(async (file) => {
        await file.reject('b', one({ raw: 'gone' }));
        throw new Error('too many');
      });
      await expect(failing).rejects.toThrow('too many');
      await batch.file((file) => file.reject('c', one({ raw: 'nul \0' })));
      return [];
    });
    expect(
      await plane.rows(
        'SELECT path, record, line, column_name, error_type, reason, raw FROM sluice.rejected_row ORDER BY path',
      ),
    ).toEqual([
      { path: 'a', record: '7', line: null, column_name: null, error_type: 'malformed', reason: 'It is bad.', raw },
      {
        path: 'c',
        record: '7',
        line: '9',
        column_name: 'id',
        error_type: 'malformed',
        reason: 'It is bad.',
        raw: 'nul \u2400',
      },
    ]);
  });

  it('passes on what the work raises as it is, and nothing is in', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    const stop = new Error('told to stop');
    const loading = session.batch(order([ID]), async (batch) => {
      await put(batch, 'a', [ID], [[int(1)]]);
      throw stop;
    });
    await expect(loading).rejects.toBe(stop);
    expect(await plane.values('SELECT id FROM t')).toEqual([]);
    expect(await plane.values('SELECT path FROM sluice.ledger')).toEqual([]);
  });
});

describe('a column of a type that nothing of ours writes', () => {
  const SPAN = column('span', 'text', { cast: 'interval' });
  const WEIGHTS = column('weights', 'text', { cast: 'integer[]' });

  it('takes texts cast by the server', async () => {
    await plane.client.query('CREATE TABLE t (id int, span interval, weights int[], _load_id bigint)');
    const session = await plane.session();
    await session.batch(order([ID, SPAN, WEIGHTS]), async (batch) => [
      await put(batch, 'a', [SPAN, ID], [[text('1 day'), int(1)]]),
      await put(batch, 'b', [WEIGHTS], [[text('{1,2}')], [null]]),
    ]);
    expect(await plane.rows('SELECT id, span::text, weights FROM t ORDER BY id, weights')).toEqual([
      { id: 1, span: '1 day', weights: null },
      { id: null, span: null, weights: [1, 2] },
      { id: null, span: null, weights: null },
    ]);
  });

  it('names the row that cannot be cast, among those that were sent', async () => {
    await plane.client.query('CREATE TABLE t (span interval, _load_id bigint)');
    const session = await plane.session();
    await session.batch(order([SPAN]), async (batch) => {
      const rows = Array.from({ length: 1000 }, (_, n) => [text(n === 617 ? 'soon' : `${n} hours`)]);
      const refused = await put(batch, 'a', [SPAN], rows).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RowRefused);
      expect(refused).toMatchObject({ row: 618, message: expect.stringContaining('"soon"') });
      return [await put(batch, 'b', [SPAN], [[text('3 hours')]])];
    });
    expect(await plane.values('SELECT span::text FROM t')).toEqual(['03:00:00']);
  });

  it.each([
    ['interval(0)', 'interval', '00:00:01.5'],
    ['bit(3)', 'bit', '1010'],
  ])('never cuts a value: %s', async (type, cast, value) => {
    await plane.client.query(`CREATE TABLE t (v ${type}, _load_id bigint)`);
    const session = await plane.session();
    const info = await session.table(plane.table);
    const cut = column('v', 'text', { cast, modifier: info?.columns[0]?.modifier ?? -1 });
    await session.batch(order([cut]), async (batch) => {
      const ok = type === 'bit(3)' ? '101' : '00:00:01';
      const refused = await put(batch, 'a', [cut], [[text(ok)], [text(value)]]).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(RowRefused);
      expect(refused).toMatchObject({ row: 2 });
      return [await put(batch, 'b', [cut], [[text(ok)]])];
    });
    expect(await plane.values('SELECT count(*)::int FROM t')).toEqual([1]);
  });

  it('is none where the binary form is known: domains, enums, citext', async () => {
    await plane.client
      .query(`CREATE EXTENSION citext SCHEMA public; CREATE DOMAIN short AS varchar(3); CREATE TYPE mood AS ENUM ('sad', 'ok');
      CREATE TABLE t (s short, m mood, c citext, x xml, g int GENERATED ALWAYS AS (1) STORED, i int GENERATED ALWAYS AS IDENTITY, _load_id bigint)`);
    const session = await plane.session();
    const info = await session.table(plane.table);
    expect(
      info?.columns.map(({ name, encodes, modifier, generated }) => ({ name, encodes, modifier, generated })),
    ).toEqual([
      { name: 's', encodes: 'character varying', modifier: 7, generated: false },
      { name: 'm', encodes: 'text', modifier: -1, generated: false },
      { name: 'c', encodes: 'text', modifier: -1, generated: false },
      { name: 'x', encodes: null, modifier: -1, generated: false },
      { name: 'g', encodes: 'integer', modifier: -1, generated: true },
      { name: 'i', encodes: 'integer', modifier: -1, generated: true },
      { name: '_load_id', encodes: 'bigint', modifier: -1, generated: false },
    ]);
    const columns = [column('s', 'character varying', { modifier: 7 }), column('m', 'text'), column('c', 'text')];
    await session.batch(order(columns), async (batch) => [
      await put(batch, 'a', columns, [[text('abc'), text('ok'), text('Case')]]),
    ]);
    expect(await plane.rows('SELECT s, m, c FROM t')).toEqual([{ s: 'abc', m: 'ok', c: 'Case' }]);
  });
});

describe('exactly once', () => {
  it('a path that is in already is not loaded a second time, and nothing of that batch is', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    const load = () => session.batch(order([ID]), async (batch) => [await put(batch, 'a', [ID], [[int(1)]])]);
    await load();
    await expect(load()).rejects.toThrow('The ledger already holds a file of this batch');
    expect(await plane.values('SELECT id FROM t')).toEqual([1]);
  });

  it('a session whose fence was raised writes nothing of any kind', async () => {
    const session = await plane.session();
    await session.createTable(plane.table, [ID], { keys: [], rescued: false });
    await session.batch(order([ID]), async (batch) => [await put(batch, 'a', [ID], [[int(1)]])]);
    await plane.client.query('UPDATE sluice.lease SET fence = fence + 1');
    const loading = session.batch(order([ID]), async (batch) => [await put(batch, 'b', [ID], [[int(2)]])]);
    await expect(loading).rejects.toMatchObject({ name: 'Fenced', type: 'fenced' });
    const rebuilding = session.rebuild({ ...order([ID]), history: 'replace' }, async (batch) => [
      await put(batch, 'b', [ID], [[int(2)]]),
    ]);
    await expect(rebuilding).rejects.toMatchObject({ name: 'Fenced' });
    await expect(session.confirmUnchanged(entry('a', 'f9'))).rejects.toMatchObject({ name: 'Fenced' });
    await expect(session.recordFailures([{ entry: entry('c'), message: 'no' }], 's')).rejects.toMatchObject({
      name: 'Fenced',
    });
    expect(await plane.values('SELECT id FROM t')).toEqual([1]);
    expect(await plane.rows('SELECT path, fingerprint FROM sluice.ledger')).toEqual([{ path: 'a', fingerprint: 'f1' }]);
    expect(await plane.values('SELECT path FROM sluice.failed_file')).toEqual([]);
  });

  it('a table that is not there is told as something that may pass, before any row is lost', async () => {
    const session = await plane.session();
    const loading = session.batch(order([ID]), async (batch) => [await put(batch, 'a', [ID], [[int(1)]])]);
    await expect(loading).rejects.toThrow(DestinationError);
    await expect(loading).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'later' });
  });

  it('a thousand files of a batch need few round trips each', async () => {
    const session = await plane.session();
    const wide = [ID, NAME, column('n', 'bigint')];
    await session.createTable(plane.table, wide, { keys: [], rescued: false });
    await session.batch(order(wide), async (batch) => {
      const loaded: LoadedFile[] = [];
      for (let n = 0; n < 1000; n++) loaded.push(await put(batch, `f${n}`, wide, [[int(n), text('x'), big(n)]]));
      return loaded;
    });
    expect(await plane.values('SELECT count(*)::int FROM t')).toEqual([1000]);
  });
});

async function* one(more: Partial<Rejection>): AsyncGenerator<Rejection> {
  yield await Promise.resolve({
    record: 7,
    line: 9,
    column: 'id',
    type: 'malformed',
    reason: 'It is bad.',
    raw: 'x',
    ...more,
  } as const);
}

async function* rejections(count: number): AsyncGenerator<Rejection> {
  for (let n = 0; n < count; n++) yield* one({ record: n + 1 });
}
