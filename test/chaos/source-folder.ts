import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mode } from './modes';
import type { Random } from './random';

/** A file as it lies there now. Its lines are `path,version,line,key,value`, the lines numbered from 1. */
export interface SourceFile {
  path: string;
  version: number;
  rows: number;
  /** `line` of it has the key `firstKey + floor((line - 1) / 2)`: each key twice, the later line counts. */
  firstKey: number;
  /** Rows of each version there ever was, by version. */
  history: Map<number, number>;
}

const HEADER = 'path,version,line,key,value\n';
const SHARED_KEYS = 20_000;
const ROWS = { least: 1_000, most: 20_000 };
const PRIVATE_KEYS = 1_000_000;

export function keyOf({ firstKey }: SourceFile, line: number): number {
  return firstKey + Math.floor((line - 1) / 2);
}

export function valueOf(path: string, version: number, line: number): string {
  return `${path}/${version}/${line}`;
}

/**
 * What the source holds, and what it ever held. Files arrive in the order of their paths, so that "the last one wins" means the same for a reader
 * of paths and for a loader that was interrupted.
 */
export class SourceFolder {
  readonly files = new Map<string, SourceFile>();
  private made = 0;

  constructor(
    readonly folder: string,
    private readonly mode: Mode,
    private readonly random: Random,
  ) {}

  /** What happens between two runs. */
  async pass(): Promise<void> {
    for (let i = this.random.between(1, 2); i > 0; i--) await this.arrive();
    if (this.changes() && this.random.chance(0.6)) await this.change();
    if (this.mode.write === 'overwrite' && this.files.size > 2 && this.random.chance(0.3)) await this.vanish();
  }

  /** With `merge`, files that may change have keys of their own: which file a shared key belongs to would depend on when it changed. */
  async arrive(): Promise<void> {
    const n = (this.made += 1);
    const mayChange = this.mode.write !== 'merge' || (this.mode.reload && this.random.chance(0.5));
    const path = `${mayChange ? 'c' : 'f'}-${String(n).padStart(4, '0')}.csv`;
    const isPrivate = this.mode.write === 'merge' && mayChange;
    const firstKey = isPrivate ? n * PRIVATE_KEYS : this.random.between(0, SHARED_KEYS);
    await this.write({ path, version: 1, rows: this.rows(), firstKey, history: new Map() });
  }

  private changes(): boolean {
    return this.mode.write !== 'merge' || this.mode.reload;
  }

  private async change(): Promise<void> {
    const files = [...this.files.values()].filter(({ path }) => path.startsWith('c'));
    if (files.length === 0) return;
    const file = this.random.pick(files);
    await this.write({ ...file, version: file.version + 1, rows: this.rows() });
  }

  private async vanish(): Promise<void> {
    const path = this.random.pick([...this.files.keys()]);
    this.files.delete(path);
    await rm(join(this.folder, path));
  }

  private rows(): number {
    return this.random.between(ROWS.least, ROWS.most);
  }

  /** Put in place in one step, as careful senders do. */
  private async write(file: SourceFile): Promise<void> {
    file.history.set(file.version, file.rows);
    this.files.set(file.path, file);
    await mkdir(this.folder, { recursive: true });
    const draft = join(this.folder, `${file.path}.draft`);
    await writeFile(draft, contentOf(file));
    await rename(draft, join(this.folder, file.path));
  }
}

function contentOf(file: SourceFile): string {
  const lines = [HEADER];
  for (let line = 1; line <= file.rows; line++) {
    const { path, version } = file;
    lines.push(`${path},${version},${line},${keyOf(file, line)},${valueOf(path, version, line)}\n`);
  }
  return lines.join('');
}
