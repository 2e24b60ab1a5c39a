import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from './ask';
import { freshDatabase, type TestDatabase } from './database';
import { realPrefect } from './prefect';

/** A real Prefect server of one test file, with settings of its own, whose background services (the scheduler) can be stopped alone. */
export class OwnPrefect {
  private constructor(
    private readonly process: ChildProcess,
    private readonly database: TestDatabase,
    private readonly home: string,
    readonly apiUrl: string,
  ) {}

  /** Without background services, as after their death. Allow 120 s. */
  static async start(settings: Record<string, string>): Promise<OwnPrefect> {
    const [{ python }, database] = [await realPrefect(), await freshDatabase()];
    const home = mkdtempSync(join(tmpdir(), 'sluice-prefect-'));
    const child = fork(join(__dirname, 'own-prefect-process.mjs'), { detached: true, execArgv: [] });
    const options = { python, databaseUrl: database.url, home, settings };
    const { apiUrl } = await ask<{ apiUrl: string }>(child, { command: 'server', options });
    return new OwnPrefect(child, database, home, apiUrl);
  }

  async startServices(): Promise<void> {
    await ask(this.process, { command: 'services' });
  }

  async stopServices(): Promise<void> {
    await ask(this.process, { command: 'stop-services' });
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.disconnect();
    await ended;
    await this.database.drop();
    rmSync(this.home, { recursive: true, force: true });
  }
}
