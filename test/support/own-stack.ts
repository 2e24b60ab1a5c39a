import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Servers } from './system';

type Part = 'postgres' | 'prefect';

/** A real PostgreSQL and a real Prefect on it, of one test file: they can be killed and started again, with what they held and where they were. */
export class OwnStack {
  private constructor(
    private readonly process: ChildProcess,
    readonly servers: Servers,
  ) {}

  /** Allow 120 s. */
  static async start(): Promise<OwnStack> {
    const child = fork(join(__dirname, 'own-stack-process.mjs'), { detached: true, execArgv: [] });
    return new OwnStack(child, await ask<Servers>(child, 'start'));
  }

  /** Without a goodbye, with all its processes. */
  async kill(part: Part): Promise<void> {
    await ask(this.process, `kill-${part}`);
  }

  async startAgain(part: Part): Promise<void> {
    await ask(this.process, `start-${part}`);
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.disconnect();
    await ended;
  }
}

async function ask<T>(child: ChildProcess, command: string): Promise<T> {
  const answered = once(child, 'message') as Promise<[T & { error?: string }]>;
  child.send({ command });
  const [answer] = await answered;
  if (answer.error === undefined) return answer;
  child.disconnect();
  throw new Error(answer.error);
}
