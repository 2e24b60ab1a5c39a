import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DestinationError, type LoadColumn, PostgresDestination } from '@sluice/connectors';
import { Secret } from '@sluice/kernel';
import { freshDatabase, type TestDatabase } from '../support/database';
import { ALL_NEW, dataPlane } from '../support/data-plane';

describe('a table whose columns are not what the run believes', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database.drop());

  // The eight bytes of a double would otherwise be stored as a whole number, without a word.
  it('takes no binary value of another type, and nothing of the batch', async () => {
    const destination = new PostgresDestination({ url: new Secret(database.url), leaseSeconds: 60 });
    const session = await destination.acquire(randomUUID(), randomUUID());
    const order = { table: { schema: 'public', table: 't' }, keys: [], columns: [], rescued: false };
    const believed: LoadColumn[] = [{ source: 'amount', name: 'amount', type: 'double precision' }];
    try {
      await session?.createTable(order.table, [{ name: 'amount', type: 'bigint' }], { keys: [], rescued: false });
      const loading = session?.batch(order, async (batch) => {
        await batch.file((file) => file.copy(believed, () => Promise.resolve(0)));
        return [];
      });
      await expect(loading).rejects.toThrow(DestinationError);
      await expect(loading).rejects.toThrow('The table "public"."t" was altered while it was loaded (amount)');
    } finally {
      await session?.close();
    }
  });

  it('takes no value that a scale it got meanwhile would round', async () => {
    const destination = new PostgresDestination({ url: new Secret(database.url), leaseSeconds: 60 });
    const session = await destination.acquire(randomUUID(), randomUUID());
    const order = { table: { schema: 'public', table: 't' }, keys: [], columns: [], rescued: false };
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('CREATE TABLE public.t (amount numeric(10,2), _load_id bigint)');
      const loading = session?.batch(order, async (batch) => {
        await batch.file((file) =>
          file.copy([{ source: 'amount', name: 'amount', type: 'numeric' }], () => Promise.resolve(0)),
        );
        return [];
      });
      await expect(loading).rejects.toThrow('The table "public"."t" was altered while it was loaded (amount)');
    } finally {
      await client.end();
      await session?.close();
    }
  });

  it('is told by the lease which run holds it, until that gives it back', async () => {
    const destination = new PostgresDestination({ url: new Secret(database.url), leaseSeconds: 60 });
    const [ingestionId, runId] = [randomUUID(), randomUUID()];
    const session = await destination.acquire(ingestionId, runId);
    expect(await destination.holder(ingestionId)).toBe(runId);
    await session?.close();
    expect(await destination.holder(ingestionId)).toBeNull();
  });
});

describe('one flow run executed by two processes', () => {
  const silent = { log: () => undefined, progress: () => undefined };
  const signal = new AbortController().signal;

  /** A run with a file to load, and how a process executes it. */
  async function entered(plane: Awaited<ReturnType<typeof dataPlane>>) {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    const entry = { ingestionId: order.id, flowRunId: randomUUID(), runId: null, scheduled: false };
    const { id: runId } = await plane.recorder.enter(entry);
    const start = () =>
      plane.orchestrator.runIngestion({
        ...{ order, runId, parameters: ALL_NEW, signal },
        ...{ executor: randomUUID(), report: silent },
      });
    return { order, runId, start };
  }

  it('is told to Prefect by the one that loads, not by the one that comes too late', async () => {
    const plane = await dataPlane();
    try {
      const { runId, start } = await entered(plane);
      expect(await start()).toMatchObject({ status: 'success' });
      expect(await start()).toBeNull();
      expect(await plane.recorder.stateOf(runId)).toMatchObject({ status: 'success' });
    } finally {
      await plane.close();
    }
  });

  it('ends as cancelled when the ingestion was deleted under it', async () => {
    const plane = await dataPlane();
    const control = new Client({ connectionString: plane.controlUrl });
    await control.connect();
    try {
      const { order, start } = await entered(plane);
      await control.query('DELETE FROM sluice_control.ingestion WHERE id = $1', [order.id]);
      expect(await start()).toMatchObject({
        status: 'cancelled',
        summary: 'The ingestion was deleted while the run was active.',
      });
    } finally {
      await control.end();
      await plane.close();
    }
  });
});
