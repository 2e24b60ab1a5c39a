import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from './ask';
import { describeWithPrefect } from './prefect';

/** Why no disk can be made here, or `null` when it can. */
const withoutTinyDisk: string | null = tried();

/** `describe` for suites that need a disk they can fill and the real Prefect: skipped, with the reason in the title, where there is none. */
export const describeWithTinyDisk = (title: string, suite: () => void): void =>
  withoutTinyDisk === null ? describeWithPrefect(title, suite) : describe.skip(`${title} (${withoutTinyDisk})`, suite);

/** A file system of a few MiB of a test's own, which can be filled and freed. */
export class TinyDisk {
  private constructor(
    private readonly process: ChildProcess,
    /** On it, empty, PostgreSQL's own. */
    readonly folder: string,
  ) {}

  static async make(mebibytes: number): Promise<TinyDisk> {
    const child = fork(join(__dirname, 'tiny-disk-process.mjs'), { detached: true, execArgv: [] });
    const { folder } = await ask<{ folder: string }>(child, { command: 'make', mebibytes });
    return new TinyDisk(child, folder);
  }

  /** Until not one byte more fits. */
  async fill(): Promise<void> {
    await ask(this.process, { command: 'fill' });
  }

  /** Takes back what `fill` has written. */
  async free(): Promise<void> {
    await ask(this.process, { command: 'free' });
  }

  /** It goes with all that is on it. */
  async close(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.disconnect();
    await ended;
  }
}

function tried(): string | null {
  if (process.getuid?.() !== 0) return 'only root may mount a small file system';
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  try {
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
    if (status === 0) spawnSync('umount', [folder]);
    return status === 0 ? null : 'no file system can be mounted here';
  } finally {
    rmdirSync(folder);
  }
}
