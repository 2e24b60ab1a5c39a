import { randomUUID } from 'node:crypto';
import { DatabaseError } from 'pg';
import { DataSource, QueryFailedError } from 'typeorm';
import type { BatchOrchestrator } from '@sluice/batch-orchestrator';
import { controlDatabase } from '@sluice/database';
import { type FileRecord, RunQueue, RunRecorder, type RunStatus } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import { CuttableWay } from '../support/cuttable';
import { dataPlane, type Plane } from '../support/data-plane';

const AWAY_MS = 3_000;

let plane: Plane;
let way: CuttableWay;
let dataSource: DataSource;
beforeAll(async () => {
  plane = await dataPlane({ SLUICE_RUN_ATTEMPTS: '4', SLUICE_RUN_RETRY_MS: '50', SLUICE_BATCH_FILES: '1' });
  const through = await CuttableWay.to(plane.controlUrl);
  way = through.way;
  dataSource = await new DataSource(controlDatabase(through.url)).initialize();
});
beforeEach(() => plane.clean());
afterAll(async () => {
  await dataSource.destroy();
  await way.close();
  await plane.close();
});

/** The control database goes away for 3 s, before the call reaches it or when it has done its work and the answer is on its way. */
class Outage extends RunRecorder {
  constructor(private readonly at: { call: string; when: 'before' | 'after' }) {
    const cutting = {
      query: async (sql: string, values: unknown[]) => {
        if (!this.armed) return dataSource.query(sql, values);
        this.armed = false;
        if (this.at.when === 'after') await dataSource.query(sql, values);
        this.away();
        return dataSource.query(sql, values);
      },
    };
    super(cutting as unknown as DataSource, new SystemClock());
  }
  private armed = false;
  private done = false;

  private away(): void {
    way.cut();
    setTimeout(() => way.mend(), AWAY_MS);
  }

  private arm(call: string): void {
    if (call !== this.at.call || this.done) return;
    this.done = this.armed = true;
  }

  override start(runId: string, executor: string) {
    this.arm('start');
    return super.start(runId, executor);
  }
  override mirrorFiles(ingestionId: string, runId: string, files: readonly FileRecord[]) {
    this.arm('mirror');
    return super.mirrorFiles(ingestionId, runId, files);
  }
  override progress(...given: Parameters<RunRecorder['progress']>) {
    this.arm('progress');
    return super.progress(...given);
  }
  override addSchemaVersion(...given: Parameters<RunRecorder['addSchemaVersion']>) {
    this.arm('schema');
    return super.addSchemaVersion(...given);
  }
  override end(...given: Parameters<RunRecorder['end']>) {
    this.arm('end');
    return super.end(...given);
  }
}

const statusOf = async () =>
  (
    await plane.control<{ status: RunStatus; metrics: { rows_ingested: number } }>(
      'SELECT status, metrics FROM sluice_control.run ORDER BY created_at DESC LIMIT 1',
    )
  )[0];
const orchestrator = (recorder: RunRecorder): BatchOrchestrator => plane.orchestratorWith({ recorder });

describe('a control database that is away for a moment', () => {
  it.each([
    ['start', 'before'],
    ['start', 'after'],
    ['schema', 'before'],
    ['schema', 'after'],
    ['mirror', 'before'],
    ['mirror', 'after'],
    ['progress', 'before'],
    ['end', 'before'],
    ['end', 'after'],
  ] as const)(
    'fails no run: %s, cut off %s it was done',
    async (call, when) => {
      await plane.write('a.csv', 'id\n1\n2\n');
      await plane.write('b.csv', 'id\n3\n');
      const order = await plane.order();
      const outcome = await plane.run(order, { orchestrator: orchestrator(new Outage({ call, when })) });
      expect(outcome).toMatchObject({ status: 'success', metrics: { files_processed: 2, rows_ingested: 3 } });
      way.mend();
      expect(await statusOf()).toMatchObject({ status: 'success', metrics: { rows_ingested: 3 } });
      expect(await plane.rows('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM t')).toEqual([
        { rows: 3, ids: 3 },
      ]);
      const files = await plane.control<{ path: string }>(
        `SELECT path FROM sluice_control.processed_file WHERE status = 'loaded' AND ingestion_id = '${order.id}' ORDER BY path`,
      );
      expect(files.map(({ path }) => path)).toEqual(['a.csv', 'b.csv']);
    },
    60_000,
  );

  it('is waited for no longer than a minute', async () => {
    let now = 0;
    const clock = {
      now: () => new Date(now),
      elapsed: () => now,
      sleep: (ms: number) => {
        now += ms;
        return Promise.resolve();
      },
    };
    let tries = 0;
    const dead = { query: () => Promise.reject(new Error(`connection lost ${(tries += 1)}`)) };
    const recorder = new RunRecorder(dead as unknown as DataSource, clock);
    await expect(recorder.start(randomUUID(), randomUUID())).rejects.toThrow('connection lost');
    expect([now <= 60_000, now >= 50_000, tries > 5]).toEqual([true, true, true]);
  });

  it('that stays full ends the run, which says so; what was committed counts once', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    class Full extends RunRecorder {
      override mirrorFiles(): Promise<void> {
        const full = Object.assign(new DatabaseError('could not extend file "base/1/2"', 40, 'error'), {
          code: '53100',
        });
        return Promise.reject(new QueryFailedError('INSERT', [], full));
      }
    }
    const outcome = await plane.run(order, { orchestrator: orchestrator(new Full(dataSource, new SystemClock())) });
    const message =
      'The control database could not be written: could not extend file "base/1/2". Make it usable again; what was committed stays and counts once, and the next run loads the rest.';
    expect(outcome).toMatchObject({
      status: 'failed',
      summary: message,
      errors: [{ error_type: 'connectivity', message, retryable: true }],
    });
    expect(await statusOf()).toMatchObject({ status: 'failed' });
    expect(await plane.run(order)).toMatchObject({ status: 'success' });
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });

  it('is not waited for when what it says is no outage', async () => {
    const recorder = new RunRecorder(dataSource, new SystemClock());
    await expect(recorder.start('no uuid', randomUUID())).rejects.toThrow('invalid input syntax for type uuid');
  });

  it('that gives no answer is asked on another connection', async () => {
    const recorder = new RunRecorder(dataSource, new SystemClock());
    const order = await plane.order();
    way.silence();
    setTimeout(() => way.mend(), 1_000);
    expect(await recorder.findOrder(order.id)).toMatchObject({ id: order.id });
  }, 60_000);
});

describe('a run that waits for its turn while the control database is away for a moment', () => {
  const calls: Record<string, (queue: RunQueue, runId: string) => Promise<unknown>> = {
    look: (queue, runId) => queue.look(runId),
    takeNext: (queue, runId) => queue.takeNext(runId),
    takeWaiting: (queue, runId) => queue.takeWaiting(runId),
    rest: (queue, runId) => queue.rest(runId),
    leave: (queue, runId) => queue.leave(runId, 'cancelled', 'missed', 'missed'),
    supersedeOlder: (queue, runId) => queue.supersedeOlder(runId),
    hasLater: (queue, runId) => queue.hasLater(runId),
    replaceable: (queue, runId) => queue.replaceable(runId),
    replaced: (queue, runId) => queue.replaced(runId),
    hasOther: (queue, runId) => queue.hasOther(runId),
    livingBeside: (queue, runId) => queue.livingBeside(runId),
    hasUnseen: (queue, runId) => queue.hasUnseen(runId, new Date()),
    isActive: (queue, runId) => queue.isActive(runId),
  };
  const queued = async () => {
    const { id: ingestionId } = await plane.order();
    const entry = { ingestionId, flowRunId: randomUUID(), runId: null, scheduled: true, plannedAt: new Date() };
    return (await plane.recorder.enter(entry)).id;
  };
  /** The first statement's answer is lost, before or after it has done its work. */
  const cut = (when: 'before' | 'after'): DataSource => {
    let whole = false;
    const query = async (sql: string, values: unknown[]): Promise<unknown> => {
      if (whole) return dataSource.query(sql, values);
      whole = true;
      if (when === 'after') await dataSource.query(sql, values);
      throw new Error('Connection terminated unexpectedly');
    };
    return { query } as unknown as DataSource;
  };

  it.each(Object.entries(calls))('is answered as ever: %s', async (_, call) => {
    const clock = new SystemClock();
    const asEver = await call(new RunQueue(dataSource, clock), await queued());
    for (const when of ['before', 'after'] as const) {
      const answer = await call(new RunQueue(cut(when), clock), await queued());
      if (typeof answer === 'object' && answer !== null && !Array.isArray(answer))
        expect(answer).toMatchObject({ status: 'queued' });
      else expect(answer).toEqual(asEver);
    }
  });

  it('counts its end once', async () => {
    const runId = await queued();
    expect(await calls['leave']!(new RunQueue(cut('after'), new SystemClock()), runId)).toBe(true);
    const counted = await plane.control(
      `SELECT i.missed::int FROM sluice_control.ingestion i JOIN sluice_control.run r ON r.ingestion_id = i.id WHERE r.id = '${runId}'`,
    );
    expect(counted).toEqual([{ missed: 1 }]);
  });
});

describe('a run that was given up for lost while its process was cut off', () => {
  it('does not come back with a new lease', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    class GivenUp extends RunRecorder {
      private lost = false;

      override async mirrorFiles(): Promise<void> {
        if (this.lost) return;
        this.lost = true;
        await plane.control(
          `UPDATE sluice_control.run SET status = 'crashed', ended_at = now() WHERE ingestion_id = '${order.id}'`,
        );
        await plane.rows(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice %'`,
        );
      }
    }
    await plane.write('b.csv', 'id\n2\n');
    const recorder = new GivenUp(dataSource, new SystemClock());
    await expect(plane.run(order, { orchestrator: orchestrator(recorder) })).rejects.toThrow();
    expect(await statusOf()).toMatchObject({ status: 'crashed' });
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
    expect(await plane.run(order)).toMatchObject({ status: 'success' });
    expect(await plane.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: '1' }, { id: '2' }]);
  });
});

describe('a run that is taken over', () => {
  it('counts what its first process had loaded', async () => {
    await plane.write('a.csv', 'id\n1\n2\n');
    const order = await plane.order();
    const runId = randomUUID();
    await plane.control(`INSERT INTO sluice_control.run (id, ingestion_id, flow_run_id, trigger, status, metrics)
      VALUES ('${runId}', '${order.id}', gen_random_uuid(), 'manual', 'queued', '{}')`);
    const parameters = { kind: 'load', from: null, until: null, path_prefix: null } as const;
    const request = () => ({
      ...{ order, runId, parameters, executor: randomUUID(), signal: new AbortController().signal },
      report: { log: () => undefined, progress: () => undefined },
    });
    class Killed extends RunRecorder {
      override end(): Promise<boolean> {
        return Promise.reject(new TypeError('killed'));
      }
    }
    const first = orchestrator(new Killed(dataSource, new SystemClock()));
    await expect(first.runIngestion(request())).rejects.toThrow('killed');
    await plane.write('b.csv', 'id\n3\n');
    expect(await plane.orchestrator.runIngestion(request())).toMatchObject({
      status: 'success',
      metrics: { files_processed: 2, rows_ingested: 3, bytes_read: 12 },
    });
    expect(await statusOf()).toMatchObject({ status: 'success', metrics: { rows_ingested: 3 } });
  });
});
