import { randomUUID } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { DestinationAdmin, DestinationError, type LoadSession } from '@sluice/connectors';
import { Secret } from '@sluice/kernel';
import { column, type DestinationPlane, destinationPlane, entry, int, order, put } from '../support/destination';

const ID = column('id', 'integer');

let plane: DestinationPlane;
let admin: DestinationAdmin;
beforeAll(async () => {
  plane = await destinationPlane();
  admin = new DestinationAdmin(new Secret(plane.url));
});
afterEach(() => plane.clean());
afterAll(async () => {
  await admin.close();
  await plane.close();
});

/** A loaded file `a`, two rejected rows of it, and a failed file `b`. */
async function history(ingestion: string): Promise<LoadSession> {
  const session = await plane.session(ingestion);
  await session.createTable(plane.table, [ID], { keys: [], rescued: false });
  await session.batch(order([ID]), async (batch) => {
    const loaded = await put(batch, 'a', [ID], [[int(1)]]);
    const second = await batch.file(async (file) => {
      await file.reject('c', rejections('c', 3));
      return { loadId: file.loadId, entry: entry('c'), version: 'v', rows: 0, rejected: 3 };
    });
    return [loaded, second];
  });
  await session.recordFailures([{ entry: entry('b'), message: 'no' }], 's');
  return session;
}

const left = () =>
  plane.values(
    'SELECT path FROM sluice.ledger UNION ALL SELECT path FROM sluice.failed_file UNION ALL SELECT path FROM sluice.rejected_row',
  );

describe('forgetting what is in', () => {
  it('takes ledger, rejected rows and failures of this ingestion and of no other', async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    await (await history(mine)).close();
    await (await history(other)).close();
    expect(await admin.forget(mine, plane.table, { confirm: true })).toBe('forgotten');
    expect(await left()).toHaveLength(6);
    expect(await plane.values('SELECT DISTINCT ingestion FROM sluice.ledger')).toEqual([other]);
  });

  it('wants to be confirmed while the table has rows', async () => {
    const mine = randomUUID();
    await (await history(mine)).close();
    expect(await admin.forget(mine, plane.table, { confirm: false })).toBe('table_not_empty');
    expect(await left()).toHaveLength(6);
    await plane.client.query('TRUNCATE t');
    expect(await admin.forget(mine, plane.table, { confirm: false })).toBe('forgotten');
    expect(await left()).toEqual([]);
  });

  it('waits for no run that holds the lease: it is told', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    expect(await admin.forget(mine, plane.table, { confirm: true })).toBe('run_active');
    expect(await left()).toHaveLength(6);
    await session.close();
    expect(await admin.forget(mine, plane.table, { confirm: true })).toBe('forgotten');
  });

  it('keeps a frozen run, whose lease is over, from committing afterwards', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    const loading = session.batch(order([ID]), async (batch) => {
      const loaded = await put(batch, 'late', [ID], [[int(2)]]);
      await plane.client.query("UPDATE sluice.lease SET expires_at = '-infinity'");
      expect(await admin.forget(mine, plane.table, { confirm: true })).toBe('forgotten');
      return [loaded];
    });
    await expect(loading).rejects.toMatchObject({ name: 'Fenced' });
    expect(await plane.values('SELECT id FROM t')).toEqual([1]);
    expect(await left()).toEqual([]);
  });

  it('has nothing to do where no run ever was', async () => {
    expect(await admin.forget(randomUUID(), plane.table, { confirm: false })).toBe('forgotten');
    expect(await admin.rejectedRows(randomUUID(), { after: null, limit: 10 })).toEqual([]);
    expect(await plane.values("SELECT to_regnamespace('sluice')")).toEqual([null]);
  });
});

describe('dropping a table', () => {
  it('drops ours only', async () => {
    const mine = randomUUID();
    expect(await admin.dropTable(mine, plane.table)).toBe('missing');
    await (await history(mine)).close();
    expect(await admin.dropTable(mine, plane.table)).toBe('dropped');
    expect(await plane.values("SELECT to_regclass('t')")).toEqual([null]);
    expect(await plane.values('SELECT table_name FROM sluice.own_table')).toEqual([]);
    expect(await left()).toEqual([]);
    expect(await admin.dropTable(mine, plane.table)).toBe('missing');
    await plane.client.query('CREATE TABLE t (id int)');
    expect(await admin.dropTable(mine, plane.table)).toBe('not_ours');
  });

  it('takes the history of this ingestion along, and of no other', async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    await (await history(mine)).close();
    await (await history(other)).close();
    expect(await admin.dropTable(mine, plane.table)).toBe('dropped');
    expect(await left()).toHaveLength(6);
    await plane.client.query('CREATE TABLE t (id int)');
    expect(await admin.dropTable(other, plane.table)).toBe('not_ours');
    expect(await left()).toHaveLength(6);
    await plane.client.query('DROP TABLE t');
    expect(await admin.dropTable(other, plane.table)).toBe('missing');
    expect(await left()).toEqual([]);
  });

  it('ends the run that is writing into it, and it commits nothing any more', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    const loading = session.batch(order([ID]), async (batch) => {
      const loaded = await put(batch, 'late', [ID], [[int(2)]]);
      expect(await admin.dropTable(mine, plane.table)).toBe('dropped');
      return [loaded];
    });
    await expect(loading).rejects.toMatchObject({ name: 'DestinationError', retry: 'later' });
    expect(session.lost.aborted).toBe(true);
    expect(await plane.values("SELECT to_regclass('t')")).toEqual([null]);
    expect(await left()).toEqual([]);
  });

  it('ends a writer that has outlived the connection of its lease', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    const loading = session.batch(order([ID]), async (batch) => {
      const loaded = await put(batch, 'late', [ID], [[int(2)]]);
      await plane.client.query('SELECT pg_terminate_backend(heartbeat_pid) FROM sluice.lease');
      expect(await admin.dropTable(mine, plane.table)).toBe('dropped');
      return [loaded];
    });
    await expect(loading).rejects.toMatchObject({ retry: 'later' });
    expect(await plane.values("SELECT to_regclass('t')")).toEqual([null]);
  });

  it('gives up when somebody else keeps the table locked', async () => {
    const mine = randomUUID();
    await (await history(mine)).close();
    await plane.client.query('BEGIN; LOCK TABLE t IN ACCESS SHARE MODE');
    await expect(admin.dropTable(mine, plane.table)).rejects.toMatchObject({ type: 'destination', retry: 'later' });
    await plane.client.query('ROLLBACK');
    expect(await left()).toHaveLength(6);
  });

  it('names the view that stands in the way', async () => {
    const mine = randomUUID();
    await (await history(mine)).close();
    await plane.client.query('CREATE VIEW "the view" AS SELECT * FROM t');
    const dropping = admin.dropTable(mine, plane.table);
    await expect(dropping).rejects.toMatchObject({ type: 'schema_mismatch', retry: 'never' });
    await expect(dropping).rejects.toThrow('the view');
  });
});

describe('ending a run', () => {
  const runOf = async (ingestion: string) =>
    (await plane.values('SELECT run FROM sluice.lease WHERE ingestion = $1', [ingestion]))[0] as string;

  it('that holds the lease: it commits nothing any more, and the next one has the lease at once', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    const run = await runOf(mine);
    const loading = session.batch(order([ID]), async (batch) => {
      const loaded = await put(batch, 'late', [ID], [[int(2)]]);
      expect(await admin.endRun(mine, run)).toBe(true);
      return [loaded];
    });
    await expect(loading).rejects.toMatchObject({ name: 'DestinationError', retry: 'later' });
    expect(await plane.values('SELECT id FROM t')).toEqual([1]);
    await (await plane.session(mine)).close();
  });

  it('that was killed does as much, and forgets nothing that is in', async () => {
    const mine = randomUUID();
    const session = await history(mine);
    const run = await runOf(mine);
    await plane.client.query(
      'SELECT pg_terminate_backend(heartbeat_pid), pg_terminate_backend(writer_pid) FROM sluice.lease',
    );
    expect(await admin.endRun(mine, run)).toBe(true);
    expect(session.lost.aborted).toBe(true);
    expect(await left()).toHaveLength(6);
  });

  it('that has ended leaves the run after it alone', async () => {
    const mine = randomUUID();
    const first = await history(mine);
    const run = await runOf(mine);
    await first.close();
    const second = await plane.session(mine);
    expect(await admin.endRun(mine, run)).toBe(false);
    await second.batch(order([ID]), async (batch) => [await put(batch, 'next', [ID], [[int(2)]])]);
    expect(await plane.values('SELECT id FROM t ORDER BY id')).toEqual([1, 2]);
    expect(await admin.endRun(randomUUID(), run)).toBe(false);
  });
});

describe('rejected rows', () => {
  it('are read in pages, of a run or a file', async () => {
    const mine = randomUUID();
    await (await history(mine)).close();
    const [run] = await plane.values('SELECT DISTINCT run FROM sluice.rejected_row');
    const first = await admin.rejectedRows(mine, { after: null, limit: 2 });
    expect(first).toEqual([
      {
        id: expect.any(String),
        loadId: expect.any(String),
        runId: run,
        path: 'c',
        member: null,
        record: 1,
        line: 11,
        column: 'id',
        type: 'type_mismatch',
        reason: 'c 1',
        raw: 'x,1',
      },
      {
        id: expect.any(String),
        loadId: expect.any(String),
        runId: run,
        path: 'c',
        member: null,
        record: 2,
        line: 12,
        column: 'id',
        type: 'type_mismatch',
        reason: 'c 2',
        raw: 'x,2',
      },
    ]);
    const rest = await admin.rejectedRows(mine, {
      after: first[1]?.id ?? null,
      limit: 2,
      runId: run as string,
      path: 'c',
    });
    expect(rest.map(({ record }) => record)).toEqual([3]);
    expect(await admin.rejectedRows(mine, { after: null, limit: 9, runId: randomUUID() })).toEqual([]);
    expect(await admin.rejectedRows(mine, { after: null, limit: 9, path: 'a' })).toEqual([]);
    expect(await admin.rejectedRows(randomUUID(), { after: null, limit: 9 })).toEqual([]);
  });
});

describe('a destination that cannot be reached', () => {
  it('is told within seconds, also when it takes the connection and says nothing', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const asking = new DestinationAdmin(new Secret(`postgresql://u@127.0.0.1:${port}/d`)).forget(
      randomUUID(),
      plane.table,
      { confirm: true },
    );
    try {
      await expect(asking).rejects.toThrow(DestinationError);
      await expect(asking).rejects.toMatchObject({ type: 'connectivity', retry: 'later' });
    } finally {
      silent.close();
    }
  });

  it('is told within seconds when it goes silent after the connection was made', async () => {
    const { hostname, port } = new URL(plane.url);
    const muted = createServer((near) => {
      const far = connect(Number(port || 5432), hostname).on('error', () => undefined);
      let mute = false;
      near.on('data', (asked) => (mute ||= asked.includes('sluice.lease'))).on('error', () => undefined);
      near.pipe(far).on('data', (answer: Buffer) => mute || near.write(answer));
      near.on('close', () => far.destroy());
    });
    await new Promise<void>((resolve) => muted.listen(0, '127.0.0.1', resolve));
    const url = new URL(plane.url);
    url.host = `127.0.0.1:${(muted.address() as { port: number }).port}`;
    try {
      const asking = new DestinationAdmin(new Secret(url.href)).dropTable(randomUUID(), plane.table);
      await expect(asking).rejects.toMatchObject({ type: 'connectivity', retry: 'later' });
    } finally {
      muted.close();
    }
  });

  it.each([
    ['postgresql://nobody:wrong@HOST/DATABASE', 'auth', 'never'],
    ['postgresql://u@127.0.0.1:1/d', 'connectivity', 'later'],
  ])('says of what kind it is: %s', async (pattern, type, retry) => {
    const { host, pathname } = new URL(plane.url);
    const url = pattern.replace('HOST', host).replace('DATABASE', pathname.slice(1));
    const asking = new DestinationAdmin(new Secret(url)).rejectedRows(randomUUID(), { after: null, limit: 1 });
    await expect(asking).rejects.toMatchObject({ name: 'DestinationError', type, retry });
  });
});

async function* rejections(path: string, count: number) {
  for (let n = 1; n <= count; n++)
    yield await Promise.resolve({
      record: n,
      line: 10 + n,
      column: 'id',
      type: 'type_mismatch',
      reason: `${path} ${n}`,
      raw: `x,${n}`,
    } as const);
}
