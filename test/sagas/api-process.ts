import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(__dirname, '../..');
const START_MS = 60_000;

export interface FaultPoint {
  when: 'before' | 'after';
  /** Of the calls which the operation makes to the outside, from 1. */
  call: number;
}
export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** The built API as a process of its own, which can be told to die in the middle of a request; see `fault-points.cjs`. */
export class ApiProcess {
  /** Names of the calls of the last request with a fault point, in their order. */
  calls: string[] = [];
  private child: ChildProcess | null = null;
  /** Another one after each start; `null`: it does not listen yet. */
  private port: number | null = null;

  private constructor(private readonly env: Record<string, string>) {}

  static async start(env: Record<string, string>): Promise<ApiProcess> {
    const api = new ApiProcess(env);
    await api.start();
    return api;
  }

  /** Until Prefect is seen to be usable. */
  async start(): Promise<void> {
    const child = fork(join(ROOT, 'dist/apps/api/main.js'), {
      execArgv: ['--require', join(__dirname, 'fault-points.cjs')],
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ...this.env, PORT: '0', LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
    this.port = null;
    child.on('message', (message: { name: string } | { port: number }) => {
      if ('port' in message) this.port = message.port;
      else this.calls.push(message.name);
    });
    this.child = child;
    const end = Date.now() + START_MS;
    while (!(await this.isInitialized())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end)
        throw new Error(`The API did not start:\n${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** `null`: it died before it answered. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer | null> {
    const { body, key, fault } = options;
    if (fault) this.calls = [];
    const headers = {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(fault && { 'x-fault-point': `${fault.when} ${fault.call}` }),
      connection: 'close',
    };
    try {
      return await this.send(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    } catch (error) {
      if (await this.hasDied()) return null;
      throw error;
    }
  }

  private async send(path: string, request: RequestInit): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.port}/api/v1${path}`, request);
    const text = await response.text();
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] };
  }

  /** Ends it the hard way, if it still lives. */
  async kill(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  private async hasDied(): Promise<boolean> {
    const end = Date.now() + 2_000;
    while (this.child?.signalCode !== 'SIGKILL' && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return this.child?.signalCode === 'SIGKILL';
  }

  private async isInitialized(): Promise<boolean> {
    if (this.port === null) return false;
    const answer = await this.send('/orchestration/status', { headers: { connection: 'close' } }).catch(() => null);
    return answer?.body['initialized'] === true;
  }
}

interface CallOptions {
  body?: unknown;
  key?: string | undefined;
  fault?: FaultPoint;
}
