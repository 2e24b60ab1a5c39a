import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';
import { freshDatabase } from './database';
import { realPrefect, startWorker, type TestWorker } from './prefect';

const ROOT = join(__dirname, '../..');
const READY_MS = 60_000;

/** What the wire says, as far as tests look at it. */
export interface WireIngestion {
  id: string;
  status: string;
  prefect_deployment_id: string | null;
  metadata: { next_run_time: string | null; last_run_status: string | null };
}
export interface WireRun {
  id: string;
  status: string;
  trigger: string;
  flow_run_id: string | null;
  metrics: Record<string, number>;
  errors: { message: string; error_type: string }[];
}

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

/** The whole of Sluice as it runs for people: API process, real Prefect, its real worker, PostgreSQL. Only HTTP leads in. */
export interface System {
  folder: string;
  pool: string;
  docsUrl: string;
  api<T = unknown>(method: string, path: string, body?: unknown): Promise<Answer<T>>;
  prefect<T = unknown>(method: string, path: string, body?: unknown): Promise<Answer<T>>;
  write(path: string, content: string | Buffer): Promise<void>;
  /** Rows in the destination. */
  rows<T extends QueryResultRow>(sql: string): Promise<T[]>;
  connectToDestination(): Promise<Client>;
  /** Rows in the control database, to bring about what HTTP cannot. */
  control<T extends QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]>;
  workerLogs(): string;
  /** `kill -9`, alone or with the processes of its flow runs. */
  killWorker(signalled: 'alone' | 'with its runs'): void;
  /** In place of the one before, which ends with its runs. `to`: by other ways than it. */
  newWorker(to?: Addresses): Promise<void>;
  /** The connections of `rows` and `control` anew, after their server was killed. */
  reconnect(): Promise<void>;
  stop(): Promise<void>;
}

/** Servers of a test's own. */
export interface Servers extends Addresses {
  python: string;
}

/** Where the servers are reached. */
export interface Addresses {
  /** Prefect's. */
  apiUrl: string;
  controlUrl: string;
  destinationUrl: string;
}

/** Other ways to the same servers, for Sluice's own processes; the test itself takes the direct ones. */
export interface Ways {
  api?: Addresses;
  /** For the worker and the processes of its flow runs. */
  worker?: Addresses;
}

const NOTHING_TO_DROP = () => Promise.resolve();

/** `limit`: flow runs that the worker takes at a time. `servers`: else those that all tests share, with databases of its own. */
export async function startSystem(
  env: Record<string, string> = {},
  limit = 8,
  servers?: Servers,
  ways: Ways = {},
): Promise<System> {
  const { apiUrl: prefectUrl, python } = servers ?? (await realPrefect());
  const control = servers ? { url: servers.controlUrl, drop: NOTHING_TO_DROP } : await freshDatabase();
  const destination = servers ? { url: servers.destinationUrl, drop: NOTHING_TO_DROP } : await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
  const pool = `pool-${randomUUID()}`;
  const shared = {
    PREFECT_WORK_POOL: pool,
    SLUICE_FILE_ROOTS: folder,
    SLUICE_RUNNER_COMMAND: `${process.execPath} dist/apps/flow-runner/main.js`,
    SLUICE_RUNNER_WORKING_DIR: ROOT,
    LOG_LEVEL: 'warn',
    ...env,
  };
  const direct = { apiUrl: prefectUrl, controlUrl: control.url, destinationUrl: destination.url };
  const toWorker = ways.worker ?? direct;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const api = startApi({ ...shared, ...variablesOf(ways.api ?? direct) }, port);
  const parts: { worker?: TestWorker; clients: Client[] } = { clients: [] };
  const stop = async () => {
    await parts.worker?.stop();
    await ended(api);
    for (const client of parts.clients) await client.end().catch(() => undefined);
    await Promise.all([control.drop(), destination.drop(), rm(folder, { recursive: true, force: true })]);
  };
  const newWorker = ({ apiUrl, ...databases } = toWorker) =>
    startWorker({
      apiUrl,
      pool,
      env: { ...shared, ...variablesOf({ apiUrl, ...databases }) },
      cwd: ROOT,
      python,
      limit,
    });
  const connect = async (to: string) => {
    const client = new Client({ connectionString: to });
    client.on('error', () => undefined);
    await client.connect();
    parts.clients.push(client);
    return client;
  };
  try {
    await until('the API is initialized', () => isInitialized(url, api), READY_MS);
    parts.worker = await newWorker();
  } catch (error) {
    await stop();
    throw error;
  }
  let [controlClient, destinationClient] = [await connect(control.url), await connect(destination.url)];
  return {
    folder,
    pool,
    docsUrl: `${url}/docs`,
    api: (method, path, body) => request(url, method, `/api/v1${path}`, body),
    prefect: (method, path, body) => request(prefectUrl, method, path, body),
    write: async (path, content) => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    },
    rows: async <T extends QueryResultRow>(sql: string) => (await destinationClient.query<T>(sql)).rows,
    connectToDestination: () => connect(destination.url),
    control: async <T extends QueryResultRow>(sql: string, values?: unknown[]) =>
      (await controlClient.query<T>(sql, values)).rows,
    workerLogs: () => parts.worker?.logs() ?? '',
    killWorker: (signalled) => {
      const pid = parts.worker?.pid ?? 0;
      process.kill(signalled === 'with its runs' ? -pid : pid, 'SIGKILL');
    },
    newWorker: async (to) => {
      await parts.worker?.stop();
      parts.worker = await newWorker(to);
    },
    reconnect: async () => {
      [controlClient, destinationClient] = [await connect(control.url), await connect(destination.url)];
    },
    stop,
  };
}

function variablesOf({ apiUrl, controlUrl, destinationUrl }: Addresses): Record<string, string> {
  return { PREFECT_API_URL: apiUrl, DATABASE_URL: controlUrl, DESTINATION_URL: destinationUrl };
}

function startApi(env: Record<string, string>, port: number): ChildProcess {
  return spawn(process.execPath, ['dist/apps/api/main.js'], {
    cwd: ROOT,
    env: { ...process.env, ...env, PORT: String(port) },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function isInitialized(url: string, api: ChildProcess): Promise<boolean> {
  if (api.exitCode !== null) throw new EndedEarly(`the API ended with ${api.exitCode}; was it built (npm run build)?`);
  return (await request<{ initialized: boolean }>(url, 'GET', '/api/v1/orchestration/status')).body.initialized;
}

async function request<T>(base: string, method: string, path: string, body?: unknown): Promise<Answer<T>> {
  const answer = await fetch(`${base}${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: (text === '' ? null : JSON.parse(text)) as T };
}

/** Nothing that is waited for can come any more. */
class EndedEarly extends Error {}

/** Waits for a condition, and says which one was not met in time. A condition that raises is not met yet. */
export async function until(what: string, condition: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
  let last = '';
  for (
    const deadline = Date.now() + limitMs;
    Date.now() < deadline;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    try {
      if (await condition()) return;
    } catch (error) {
      if (error instanceof EndedEarly) throw error;
      last = error instanceof Error ? ` (${error.message})` : '';
    }
  }
  throw new Error(`Not within ${limitMs / 1000} s: ${what}${last}`);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}
