import { mkdirSync, mkdtempSync, readlinkSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BadFile, LoadError } from './errors';

/** What a folder that another machine made may be old before it is taken for left behind, ms: its processes cannot be seen from here. */
const FOREIGN_MS = 24 * 3600 * 1000;
const OURS = /^sluice-(?:spool|rejected|head)-(?:(?<host>[0-9a-z-]+)\.(?<pid>\d+)\.)?[^.]+$/i;

/** Makes a folder that only this user may enter, and whose name says which process of which machine it belongs to. */
export function makeTempFolder(parent: string, kind: 'spool' | 'rejected' | 'head'): string {
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, `sluice-${kind}-${here()}.${process.pid}.`));
}

/**
 * What the file system below `parent` says when `what` cannot be written there, as a fault of the machine: full today, it may have room at the next
 * run. Other errors as they are.
 */
export function asUnwritable(error: unknown, what: string, parent: string): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (error instanceof LoadError || !/^E[A-Z]+$/.test(code)) return error;
  const message = `${what} ${parent} (${code}). Make room there, or set SLUICE_TEMP_DIR to another folder.`;
  return new BadFile('limit', message, {}, { cause: error, retry: 'later' });
}

/** Removes what processes that were killed left behind. Never raises, and never touches what a living process of this machine made. */
export async function removeStaleFolders(parent: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  const stale: string[] = [];
  for (const name of names) if (await isStale(parent, name)) stale.push(name);
  for (const name of stale) await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  return stale;
}

async function isStale(parent: string, name: string): Promise<boolean> {
  const match = OURS.exec(name);
  if (!match) return false;
  const { host, pid } = match.groups ?? {};
  if (host === here()) return !isAlive(Number(pid));
  const made = await stat(join(parent, name)).catch(() => null);
  return made !== null && made.isDirectory() && Date.now() - made.mtimeMs > FOREIGN_MS;
}

/** Where pids mean the same: the machine, and within it the container. Without what would be taken for the end of it. */
function here(): string {
  return `${hostname()}-${pidNamespace()}`.replace(/[^0-9a-z-]/gi, '-');
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return 'all';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
