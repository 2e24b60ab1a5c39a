import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Go, Said } from './messages';

const RUNNER = join(__dirname, 'runner.mjs');
const READY_MS = 60_000;
/** A run that takes longer hangs. */
const END_MS = 45_000;

export type Ending = 'killed' | 'hung' | Extract<Said, { kind: 'ended' | 'fault' }>;

const alive = new Set<ChildProcess>();
// However we end, also by an error: nobody stays, not even whoever is stopped.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A process that makes one run: started beforehand, so that a run begins when it is told to. */
export class Child {
  /** Known once the run was entered. */
  runId: string | null = null;
  private readonly child: ChildProcess;
  private last: Said | null = null;
  private hung = false;
  private readonly exited: Promise<void>;
  private readonly ready: Promise<void>;

  constructor(env: NodeJS.ProcessEnv) {
    this.child = fork(RUNNER, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    alive.add(this.child);
    this.exited = new Promise((resolve) => {
      this.child.once('exit', () => {
        alive.delete(this.child);
        resolve();
      });
    });
    const spoken = new Promise<void>((resolve) => {
      this.child.on('message', (said: Said) => {
        this.hear(said);
        resolve();
      });
    });
    this.ready = Promise.race([spoken, this.exited, pause(READY_MS, undefined, { ref: false })]);
  }

  get running(): boolean {
    return alive.has(this.child) && (this.last?.kind === 'ready' || this.last?.kind === 'entered');
  }

  /** Begins the run. `flowRunId`: one of its own unless it is given. */
  async go(ingestionId: string, flowRunId: string = randomUUID()): Promise<void> {
    await this.ready;
    if (this.last?.kind !== 'ready') throw new Error('A runner ended before it was ready; what it said is above.');
    const go: Go = { ingestionId, flowRunId };
    this.child.send(go);
  }

  stop(): void {
    this.child.kill('SIGSTOP');
  }

  proceed(): void {
    this.child.kill('SIGCONT');
  }

  /** -9. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** How it ended; whoever does not end is looked at by `late` and killed. */
  async end(late: () => Promise<void>): Promise<Ending> {
    const tooLate = setTimeout(() => {
      this.hung = true;
      void late().finally(() => this.child.kill('SIGKILL'));
    }, END_MS);
    await this.exited;
    clearTimeout(tooLate);
    if (this.hung) return 'hung';
    return this.last?.kind === 'ended' || this.last?.kind === 'fault' ? this.last : 'killed';
  }

  private hear(said: Said): void {
    this.last = said;
    if (said.kind === 'entered') this.runId = said.runId;
  }
}

/** Keeps some runners ready, since one takes a second to start. */
export class Runners {
  private readonly spare: Child[] = [];

  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly ready: number,
  ) {
    this.fill();
  }

  take(): Child {
    const child = this.spare.shift() ?? new Child(this.env);
    this.fill();
    return child;
  }

  async close(): Promise<void> {
    await Promise.all(this.spare.splice(0).map((child) => child.kill()));
  }

  private fill(): void {
    while (this.spare.length < this.ready) this.spare.push(new Child(this.env));
  }
}
