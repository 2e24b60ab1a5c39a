import { randomUUID } from 'node:crypto';
import { PostgresDestination } from '@sluice/connectors';
import { Secret } from '@sluice/kernel';
import { Client } from 'pg';
import { migratedDatabase } from '../support/control-plane';
import { freshDatabase } from '../support/database';
import { column, int, order, put } from '../support/destination';
import { startFakePrefect, type FakePrefect } from '../support/fake-prefect';
import { ApiProcess } from './api-process';

/** Databases, Prefect and API of one lane of points. */
export interface Stage {
  api: ApiProcess;
  /** `null`: the real one. */
  fake: FakePrefect | null;
  pool: string;
  control<Row>(sql: string, values?: unknown[]): Promise<Row[]>;
  destination<Row>(sql: string): Promise<Row[]>;
  /** A table as a run of this ingestion would make it, with one file that is in. */
  load(ingestionId: string, table: string): Promise<void>;
  prefect<T>(path: string, body: unknown): Promise<T>;
  close(): Promise<void>;
}

/** `realUrl`: of a real Prefect to be used instead of a fake. */
export async function openStage(realUrl?: string): Promise<Stage> {
  const [control, destination] = [await migratedDatabase(), await freshDatabase()];
  const fake = realUrl === undefined ? await startFakePrefect() : null;
  const prefectUrl = realUrl ?? fake?.apiUrl ?? '';
  const pool = `sagas-${randomUUID()}`;
  const clients = [await connected(control.url), await connected(destination.url)] as const;
  const api = await ApiProcess.start({
    DATABASE_URL: control.url,
    DESTINATION_URL: destination.url,
    PREFECT_API_URL: prefectUrl,
    PREFECT_WORK_POOL: pool,
    SLUICE_FILE_ROOTS: '/data',
  });
  return {
    ...{ api, fake, pool },
    control: async <Row>(sql: string, values: unknown[] = []) => (await clients[0].query(sql, values)).rows as Row[],
    destination: async <Row>(sql: string) => (await clients[1].query(sql)).rows as Row[],
    load: (ingestionId, table) => load(destination.url, ingestionId, table),
    prefect: (path, body) => post(`${prefectUrl}${path}`, body),
    close: async () => {
      await api.kill();
      for (const client of clients) await client.end();
      await fake?.stop();
      await Promise.all([control.drop(), destination.drop()]);
    },
  };
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function post<T>(url: string, body: unknown): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

async function load(url: string, ingestionId: string, name: string): Promise<void> {
  const lease = { leaseSeconds: 60, fileAttempts: 3, fileRetrySeconds: 60 };
  const session = await new PostgresDestination({ url: new Secret(url), ...lease }).acquire(ingestionId, randomUUID());
  if (session === null) throw new Error('Another run holds the lease.');
  const [table, id] = [{ schema: 'public', table: name }, column('id', 'integer')];
  await session.createTable(table, [id], { keys: [], rescued: false });
  await session.batch(order([id], { table }), async (batch) => [await put(batch, 'a', [id], [[int(1)]])]);
  await session.close();
}
