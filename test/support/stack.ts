import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const ROOT = resolve(__dirname, '..', '..');

/** `.sluice/stack.json`. */
export interface StackFile {
  api_url: string;
  docs_url: string;
  prefect_ui_url: string;
  prefect_api_url: string;
  database_url: string;
  destination_url: string;
  api_key: string | null;
  pids: { postgres?: number; prefect_server?: number; prefect_worker?: number; api?: number };
}

/** A home folder for stacks (`SLUICE_HOME`), apart from the one of this clone. */
export class StackHome {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-stack-'));

  constructor() {
    // PostgreSQL's own user must be able to enter.
    chmodSync(this.path, 0o755);
  }

  /** `npm run up` or, without npm between, what it runs. `env` is added to ours, `undefined` takes a variable away. */
  up(args: readonly string[] = [], env: Record<string, string | undefined> = {}): Command {
    return new Command(process.execPath, ['tools/up.mjs', ...args], this.environment(env));
  }

  upByNpm(env: Record<string, string | undefined> = {}): Command {
    return new Command('npm', ['run', '--silent', 'up', '--', '--no-sample'], this.environment(env));
  }

  down(): Command {
    return new Command(process.execPath, ['tools/down.mjs'], this.environment({}));
  }

  /** `null` while there is none. */
  stackFile(): StackFile | null {
    try {
      return JSON.parse(readFileSync(join(this.path, 'stack.json'), 'utf8')) as StackFile;
    } catch {
      return null;
    }
  }

  /** Waits for `stack.json`, or fails with what `up` said. */
  async healthy(up: Command): Promise<StackFile> {
    for (;;) {
      const file = this.stackFile();
      if (file !== null) return file;
      if (up.ended) throw new Error(`up ended before all was healthy:\n${up.output}`);
      await pause(50);
    }
  }

  /** Command lines of living processes that name this folder in their arguments or environment. */
  leftovers(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter(
        (pid) => read(`/proc/${pid}/cmdline`).includes(this.path) || read(`/proc/${pid}/environ`).includes(this.path),
      )
      .map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  }

  async remove(): Promise<void> {
    await this.down().end;
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }

  private environment(changes: Record<string, string | undefined>): NodeJS.ProcessEnv {
    const theirs = { DATABASE_URL: undefined, DESTINATION_URL: undefined, PREFECT_API_URL: undefined, PORT: undefined };
    // With this name `up` ends with its parent, so nothing stays when the tests are killed.
    return { ...process.env, ...theirs, npm_lifecycle_event: 'up', SLUICE_HOME: this.path, ...changes };
  }
}

/** A command under way: what it printed, and how it ended. */
export class Command {
  output = '';
  ended = false;
  readonly end: Promise<number | NodeJS.Signals | null>;
  private readonly child: ChildProcess;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString('utf8')));
    }
    this.end = once(this.child, 'close').then(([code, signal]) => {
      this.ended = true;
      return (code ?? signal) as number | NodeJS.Signals | null;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
