import { Client } from 'pg';
import { randomUUID } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type BatchOrchestrator, type RunOutcome, RunStopped } from '@sluice/batch-orchestrator';
import { type LoadSession, PostgresDestination } from '@sluice/connectors';
import { RunRecorder, type FileRecord } from '@sluice/ingestion';
import { Secret, SystemClock } from '@sluice/kernel';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterEach(async () => {
  // Whoever is still connected after a run was forgotten.
  expect(await plane.rows(backends)).toEqual([]);
});
afterAll(() => plane.close());

const backends =
  "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice %'";
const ROWS = 300_000;
const INTO_T = { table: { schema: 'public', table: 't' }, keys: [], columns: [], rescued: false };

function destination(leaseSeconds: number, url = plane.destinationUrl): PostgresDestination {
  return new PostgresDestination({ url: new Secret(url), leaseSeconds });
}

/** A file that takes a while, with a small one before and one behind it. */
async function writeFiles(): Promise<void> {
  await plane.write('a.csv', 'id,note\n-1,first\n');
  await plane.write(
    'b.csv',
    `id,note\n${Array.from({ length: ROWS }, (_, n) => `${n},some text that takes its time\n`).join('')}`,
  );
  await plane.write('c.csv', 'id,note\n-2,last\n');
}

async function loadedOnce(): Promise<void> {
  expect(await plane.rows('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM t')).toEqual([
    { rows: ROWS + 2, ids: ROWS + 2 },
  ]);
  expect(await plane.rows('SELECT path, rows::int AS rows FROM sluice.ledger ORDER BY path')).toEqual([
    { path: 'a.csv', rows: 1 },
    { path: 'b.csv', rows: ROWS },
    { path: 'c.csv', rows: 1 },
  ]);
}

async function nothingIn(): Promise<void> {
  expect(await plane.rows('SELECT 1 FROM t LIMIT 1')).toEqual([]);
  expect(await plane.rows('SELECT 1 FROM sluice.ledger')).toEqual([]);
}

/** Resolves with the writer's pid once rows are on their way to the server. */
async function copying(): Promise<number> {
  for (;;) {
    const [row] = await plane.rows<{ pid: number }>(
      'SELECT pid FROM pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > 1000',
    );
    if (row !== undefined) return row.pid;
  }
}

describe('a run that ends in the middle of a load', () => {
  it('because its writer was cut off is failed, may be tried again, and the next one completes', async () => {
    await writeFiles();
    const order = await plane.order();
    const [outcome] = await Promise.all([
      plane.run(order),
      copying().then((pid) => plane.rows(`SELECT pg_terminate_backend(${pid})`)),
    ]);
    expect(outcome).toMatchObject({ status: 'failed', errors: [{ error_type: 'connectivity', retryable: true }] });
    await nothingIn();
    expect((await plane.run(order)).status).toBe('success');
    await loadedOnce();
  });

  it('because the connection that keeps its lease was cut off is failed and nothing is in', async () => {
    await writeFiles();
    const order = await plane.order();
    const cut = copying().then(() =>
      plane.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice lease %'`,
      ),
    );
    const [outcome] = await Promise.all([plane.run(order), cut]);
    expect(outcome).toMatchObject({ status: 'failed', errors: [{ error_type: 'connectivity', retryable: true }] });
    await nothingIn();
    expect((await plane.run(order)).status).toBe('success');
    await loadedOnce();
  });

  it('because it was cancelled leaves nothing', async () => {
    await writeFiles();
    const order = await plane.order();
    const stopping = new AbortController();
    const stop = copying().then(() => stopping.abort(new RunStopped('cancelled', 'enough')));
    const [outcome] = await Promise.all([plane.run(order, { signal: stopping.signal }), stop]);
    expect(outcome).toMatchObject({ status: 'cancelled', summary: 'enough' });
    await nothingIn();
    expect((await plane.run(order)).status).toBe('success');
    await loadedOnce();
  });

  it('because it was cancelled while the table was locked by somebody else ends soon', async () => {
    await plane.write('a.csv', 'id,note\n-1,first\n');
    const order = await plane.order();
    await plane.run(order);
    await plane.write('b.csv', 'id,note\n-2,x\n');
    await plane.rows('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    try {
      const stopping = new AbortController();
      const waiting = plane.run(order, { signal: stopping.signal });
      for (let waits = false; !waits;)
        waits =
          (
            await plane.rows(
              "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
          ).length > 0;
      stopping.abort(new RunStopped('cancelled', 'enough'));
      expect((await waiting).status).toBe('cancelled');
    } finally {
      await plane.rows('ROLLBACK');
    }
  });
});

describe('the lease', () => {
  /** Until a run has copied its rows and waits for the ledger. */
  const untilWaiting = async () => {
    const waiting =
      "SELECT FROM pg_stat_activity WHERE application_name LIKE 'sluice run %' AND wait_event_type = 'Lock' AND datname = current_database()";
    while ((await plane.rows(waiting)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('lets a second run do nothing while the first lives', async () => {
    await writeFiles();
    const order = await plane.order();
    await (await destination(3600).acquire(order.id, randomUUID()))?.close();
    const ledger = new Client({ connectionString: plane.destinationUrl });
    await ledger.connect();
    await ledger.query('BEGIN; LOCK TABLE sluice.ledger IN EXCLUSIVE MODE');
    const first = plane.run(order);
    await untilWaiting();
    const second = await plane.run(order, { orchestrator: plane.orchestratorWith({}) });
    await ledger.query('ROLLBACK');
    await ledger.end();
    expect([(await first).status, second.status]).toEqual(['success', 'skipped']);
    await loadedOnce();
  });

  it.each(['queue_one', 'replace'] as const)(
    'that another run has leaves one that waits queued (%s)',
    async (policy) => {
      const order = { ...(await plane.order()), overlap_policy: policy };
      const held = await acquired(order.id);
      expect(await plane.attempt(order)).toBe('held');
      expect(await plane.control(`SELECT status FROM sluice_control.run WHERE ingestion_id = '${order.id}'`)).toEqual([
        { status: 'queued' },
      ]);
      await held.close();
    },
  );

  it('is free at once when its holder has died', async () => {
    const order = await plane.order();
    const held = await destination(3600).acquire(order.id, randomUUID());
    await plane.rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice %'",
    );
    await plane.write('a.csv', 'id\n1\n');
    expect((await plane.run(order)).status).toBe('success');
    await held?.close();
  });

  it('of a holder that froze before its first heartbeat is taken over when it has been silent for as long', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    const orchestrator = plane.orchestratorWith({ destination: destination(2) });
    await (await destination(2).acquire(order.id, randomUUID()))?.close();
    const frozen = new Client({ connectionString: plane.destinationUrl });
    frozen.on('error', () => undefined);
    await frozen.connect();
    await frozen.query(`SELECT pg_advisory_lock(hashtextextended('sluice lease ${order.id}', 0))`);
    expect(await untilNotSkipped(() => plane.run(order, { orchestrator }))).toMatchObject({ status: 'success' });
    await frozen.end();
  }, 30_000);

  it('of a holder that beats no more is taken over when its time is up, and what it had not committed is refused', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    const [frozen, thawed] = await frozenInItsCommit(order.id);
    const outcome = await untilNotSkipped(() => plane.run(order));
    expect(outcome).toMatchObject({ status: 'success', metrics: { rows_ingested: 1 } });
    await thawed();
    await expect(frozen).rejects.toMatchObject({
      name: expect.stringMatching(/Fenced|DestinationError/) as string,
      retry: 'later',
    });
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });

  it('whose fence was raised makes the commit of the old holder fail', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    const session = await acquired(order.id);
    const commit = session.batch(INTO_T, async () => {
      await plane.rows(`UPDATE sluice.lease SET fence = fence + 1 WHERE ingestion = '${order.id}'`);
      return [];
    });
    await expect(commit).rejects.toMatchObject({ name: 'Fenced', type: 'fenced', retry: 'later' });
    await session.close();
  });

  it('is given back, so that the next run has it at once', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    for (let run = 0; run < 3; run++) expect((await plane.run(order)).status).toBe('success');
  });
});

async function acquired(ingestionId: string, leaseSeconds = 60, url?: string): Promise<LoadSession> {
  const session = await destination(leaseSeconds, url).acquire(ingestionId, randomUUID());
  if (session === null) throw new Error('the lease is held by somebody else');
  return session;
}

/** A holder behind a wire that was cut without a word after it had written a row. */
async function frozenInItsCommit(ingestionId: string): Promise<[commit: Promise<void>, thaw: () => Promise<void>]> {
  await plane.rows('CREATE TABLE t (id bigint, _load_id bigint)');
  const wire = await Wire.to(plane.destinationUrl);
  const session = await acquired(ingestionId, 2, wire.url);
  let goOn: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const commit = session.batch(INTO_T, async () => {
    wire.freeze();
    await waiting;
    return [];
  });
  commit.catch(() => undefined);
  const thaw = async () => {
    goOn();
    await wire.close();
    await session.close();
  };
  return [commit, thaw];
}

async function untilNotSkipped(run: () => Promise<RunOutcome>): Promise<RunOutcome> {
  for (;;) {
    const outcome = await run();
    if (outcome.status !== 'skipped') return outcome;
  }
}

/** A wire between a client and the server which can be cut without a word. */
class Wire {
  private readonly sockets: Socket[] = [];
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async to(url: string): Promise<Wire> {
    const target = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const here = new URL(url);
    here.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const wire = new Wire(server, here.href);
    server.on('connection', (near) => wire.join(near, connect(Number(target.port || 5432), target.hostname)));
    return wire;
  }

  freeze(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(near: Socket, far: Socket): void {
    this.sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
  }
}

it('a run whose server falls silent in the middle of a load ends by itself, and the next one completes', async () => {
  await writeFiles();
  const order = await plane.order();
  const wire = await Wire.to(plane.destinationUrl);
  const behindWire = plane.orchestratorWith({ destination: destination(2, wire.url) });
  const [outcome] = await Promise.all([
    plane.run(order, { orchestrator: behindWire }),
    copying().then(() => wire.freeze()),
  ]);
  expect(outcome).toMatchObject({ status: 'failed', errors: [{ error_type: 'connectivity', retryable: true }] });
  expect((await untilNotSkipped(() => plane.run(order))).status).toBe('success');
  await loadedOnce();
  await wire.close();
}, 30_000);

describe('the mirror in the control database', () => {
  /** Crashes between the commit in the destination and the mirror. */
  class CrashingRecorder extends RunRecorder {
    override mirrorFiles(): Promise<void> {
      return Promise.reject(new Error('the control database is gone'));
    }
  }

  /** As if the ingestion had been deleted meanwhile. */
  class DeafRecorder extends RunRecorder {
    override mirrorFiles(): Promise<void> {
      return Promise.resolve();
    }
  }

  const recorderOf = (Kind: typeof RunRecorder): RunRecorder =>
    new Kind(
      (plane.recorder as unknown as { dataSource: ConstructorParameters<typeof RunRecorder>[0] }).dataSource,
      new SystemClock(),
    );
  const orchestrator = (Kind: typeof RunRecorder): BatchOrchestrator =>
    plane.orchestratorWith({ recorder: recorderOf(Kind) });

  it('is brought up by the next run, which loads nothing twice', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    expect((await plane.run(order, { orchestrator: orchestrator(CrashingRecorder) })).status).toBe('failed');
    expect(await plane.rows('SELECT path FROM sluice.ledger')).toEqual([{ path: 'a.csv' }]);
    expect(await plane.recorder.mirroredUpTo(order.id)).toBeNull();
    await plane.write('b.csv', 'id\n2\n');
    const mirrored: FileRecord[] = [];
    class WatchedRecorder extends RunRecorder {
      override mirrorFiles(id: string, run: string, files: readonly FileRecord[]): Promise<void> {
        mirrored.push(...files);
        return super.mirrorFiles(id, run, files);
      }
    }
    expect(await plane.run(order, { orchestrator: orchestrator(WatchedRecorder) })).toMatchObject({
      status: 'success',
      metrics: { files_processed: 1 },
    });
    expect(mirrored.map(({ path, status, rows }) => [path, status, rows])).toEqual([
      ['a.csv', 'loaded', 1],
      ['b.csv', 'loaded', 1],
    ]);
    expect(await plane.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: '1' }, { id: '2' }]);
  });

  it('of an ingestion that is gone is not waited for', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    expect((await plane.run(order, { orchestrator: orchestrator(DeafRecorder) })).status).toBe('success');
    expect((await plane.run(order, { orchestrator: orchestrator(DeafRecorder) })).status).toBe('success');
  });
});

it('a destination that cannot be reached fails the run before anything is loaded', async () => {
  await plane.write('a.csv', 'id\n1\n');
  const nowhere = plane.orchestratorWith({ destination: destination(60, 'postgresql://x:y@127.0.0.1:1/z') });
  const outcome = await plane.run(await plane.order(), { orchestrator: nowhere });
  expect(outcome).toMatchObject({
    status: 'failed',
    errors: [{ file: null, error_type: 'connectivity', retryable: true }],
  });
});

it('what ended a run goes before a hundred errors of files', async () => {
  for (let n = 0; n < 120; n++) await plane.write(`bad${n}.csv`, 'id\nx,y\n');
  await plane.write(
    'z.csv',
    `id,note\n${Array.from({ length: ROWS }, (_, n) => `${n},some text that takes its time\n`).join('')}`,
  );
  const order = await plane.order();
  const [outcome] = await Promise.all([
    plane.run(order),
    copying().then((pid) => plane.rows(`SELECT pg_terminate_backend(${pid})`)),
  ]);
  expect(outcome.errors).toHaveLength(100);
  expect(outcome.errors[0]).toMatchObject({ file: null, error_type: 'connectivity' });
}, 30_000);

describe('without the ledger in the same transaction,', () => {
  /** The control: rows are in and their ledger is not. It must double rows, or these tests prove nothing. */
  it('rows come twice', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await plane.rows(`DELETE FROM sluice.ledger WHERE ingestion = '${order.id}'`);
    await plane.run(order);
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }, { id: '1' }]);
  });
});
