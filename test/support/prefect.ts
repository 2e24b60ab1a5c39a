import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why suites that need the real Prefect are left out, or `null` when they run. */
export const withoutPrefect: string | null =
  process.env['SLUICE_TEST_WITHOUT_PREFECT'] === '1'
    ? 'SLUICE_TEST_WITHOUT_PREFECT=1 leaves out the real Prefect'
    : null;

/** `describe` for suites that need the real Prefect: skipped, with the reason in the title, when it is left out. */
export const describeWithPrefect = (title: string, suite: () => void): void =>
  withoutPrefect === null ? describe(title, suite) : describe.skip(`${title} (${withoutPrefect})`, suite);

export interface RealPrefect {
  apiUrl: string;
  /** Its Python interpreter. */
  python: string;
}

/** The real Prefect server of this test run, on PostgreSQL. The first call starts it: allow 120 s in `beforeAll`. */
export async function realPrefect(): Promise<RealPrefect> {
  if (withoutPrefect !== null) throw new Error(`${withoutPrefect}: use describeWithPrefect.`);
  const answer = await fetch(process.env['SLUICE_TEST_KEEPER_URL'] ?? '');
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The tests' Prefect did not start: ${text}`);
  return JSON.parse(text) as RealPrefect;
}

export interface TestWorker {
  /** Of `prefect worker start`, which leads the process group of its flow runs' processes. */
  pid: number;
  logs(): string;
  stop(): Promise<void>;
}

export interface WorkerOptions {
  apiUrl: string;
  /** An existing pool, one per test file: a worker would make a missing one without our command. */
  pool: string;
  /** What the flow runs' processes get beside this process's environment. */
  env: Record<string, string>;
  cwd: string;
  limit?: number;
  /** The interpreter that has Prefect, where the server is not the one all tests share. */
  python?: string;
}

/** A real `prefect worker start --type process`, polling each second; resolves once Prefect lists it as online. It ends with the tests, however they end. */
export async function startWorker(options: WorkerOptions): Promise<TestWorker> {
  const { apiUrl, pool, env, cwd, limit = 8, python = (await realPrefect()).python } = options;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-worker-'));
  const logFile = join(folder, 'worker.log');
  const keeper = fork(join(__dirname, 'worker-keeper.mjs'), { detached: true, execArgv: [] });
  keeper.send({ python, apiUrl, pool, limit, home: folder, logFile, cwd, env: { ...process.env, ...env } });
  const { pid } = await started(keeper);
  const logs = () => readFileSync(logFile, 'utf8');
  return { pid, logs, stop: () => ended(keeper).finally(() => rmSync(folder, { recursive: true, force: true })) };
}

async function started(keeper: ChildProcess): Promise<{ pid: number }> {
  const answer = await new Promise<{ pid: number } | { error: string }>((resolve, reject) => {
    keeper.once('message', (message) => resolve(message as { pid: number }));
    keeper.once('exit', (code) => reject(new Error(`The keeper of the worker ended early (exit code ${code}).`)));
  });
  if ('pid' in answer) return answer;
  await ended(keeper);
  throw new Error(answer.error);
}

async function ended(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  const exit = new Promise((resolve) => keeper.once('exit', resolve));
  if (keeper.connected) keeper.disconnect();
  await exit;
}
