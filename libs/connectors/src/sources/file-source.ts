import type { BigIntStats } from 'node:fs';
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import picomatch from 'picomatch';
import { BadFile, SourceError } from '../errors';
import { ExpandedFile, type ExpansionOptions } from '../expansion/expanded-file';
import { RawFile, unreadable } from '../expansion/raw-file';
import { Source, type SourceEntry, type SourceFile } from './source';

const MAX_PATH_BYTES = 2000;
/** Stands in a name for bytes that are no UTF-8; such a file cannot be opened by its name. */
const UNDECODABLE = '\ufffd';

export interface FileSourceOptions extends ExpansionOptions {
  /** A folder; relative ones count from the working folder. */
  path: string;
  /** Glob relative to `path`; folders below are walked only when it holds a `/`. Names beginning with `.` are met only when it says so. */
  pattern: string;
  /** Folders below which reading is allowed. */
  roots: readonly string[];
}

/**
 * Files in a local folder. Symbolic links to files are followed while they stay below the roots; links to folders are not walked.
 */
export class FileSource extends Source {
  private readonly matches: (path: string) => boolean;
  private readonly folder: string;
  private readonly undecodable = new Set<string>();

  constructor(private readonly options: FileSourceOptions) {
    super();
    // A repeated group can take for ever to match: an extended glob is text here.
    this.matches = picomatch(options.pattern, { noextglob: true });
    this.folder = resolve(options.path);
  }

  override async *list(signal: AbortSignal): AsyncIterable<SourceEntry> {
    await this.assertAllowed();
    yield* this.walk('', signal);
  }

  override async open(entry: SourceEntry): Promise<SourceFile> {
    const path = join(this.folder, entry.path);
    const real = await realpath(path).catch((error: unknown) => {
      throw unopened(entry.path, error);
    });
    if (!(await isBelow(real, this.options.roots)))
      throw new BadFile(
        'permission',
        `${entry.path} is a link out of the folders that may be read (SLUICE_FILE_ROOTS). Copy the file instead.`,
      );
    return new ExpandedFile(new RawFile(entry.path, entry.bytes, real), this.options, {
      assertUnchanged: () => assertUnchanged(entry, real),
    });
  }

  private async assertAllowed(): Promise<void> {
    const real = await realpath(this.folder).catch((error: unknown) => {
      throw new SourceError(
        'not_found',
        `The folder ${this.options.path} does not exist. Create it or correct source.path.`,
        'later',
        { cause: error },
      );
    });
    if (!(await isBelow(real, this.options.roots)))
      throw new SourceError(
        'permission',
        `The folder ${this.options.path} does not lie below SLUICE_FILE_ROOTS. Move it or widen SLUICE_FILE_ROOTS.`,
        'never',
      );
    if (!(await stat(real)).isDirectory())
      throw new SourceError(
        'not_found',
        `${this.options.path} is no folder. Set source.path to its folder and source.file_pattern to its name.`,
        'never',
      );
  }

  private async *walk(below: string, signal: AbortSignal): AsyncIterable<SourceEntry> {
    for await (const found of await opened(join(this.folder, below))) {
      signal.throwIfAborted();
      const path = below === '' ? found.name : `${below}/${found.name}`;
      if (found.isDirectory() && this.options.pattern.includes('/')) yield* this.walk(path, signal);
      else if ((found.isFile() || found.isSymbolicLink()) && this.matches(path))
        yield* this.entry(path, found.isSymbolicLink());
    }
  }

  /** Several names may look the same where their bytes are no UTF-8; a path is listed once. */
  private isNewUndecodable(path: string): boolean {
    if (!path.includes(UNDECODABLE) || this.undecodable.has(path)) return false;
    this.undecodable.add(path);
    return true;
  }

  private async *entry(path: string, isLink: boolean): AsyncIterable<SourceEntry> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      throw new SourceError(
        'limit',
        `The path ${path.slice(0, 80)}... is longer than ${MAX_PATH_BYTES} bytes.`,
        'never',
      );
    const full = join(this.folder, path);
    // A link which leads nowhere or out is still listed, so that opening it says so; its target is not looked at.
    const facts = await (
      isLink ? stat(full, { bigint: true }).catch(() => lstat(full, { bigint: true })) : stat(full, { bigint: true })
    ).catch((error: unknown) => ((error as NodeJS.ErrnoException).code === 'ENOENT' ? null : 'unreadable'));
    // Listed all the same, so that opening it says why: a file that cannot be looked at is not one that is not there.
    if (facts === 'unreadable' || (facts === null && this.isNewUndecodable(path)))
      yield { path, bytes: 0, fingerprint: 'unreadable', modifiedAt: null };
    else if (facts !== null && (facts.isFile() || facts.isSymbolicLink()))
      yield {
        path,
        bytes: Number(facts.size),
        fingerprint: fingerprintOf(facts),
        modifiedAt: Number(facts.mtimeMs),
      };
  }
}

async function opened(folder: string): Promise<AsyncIterable<import('node:fs').Dirent>> {
  try {
    return await opendir(folder);
  } catch (error) {
    throw new SourceError(
      'permission',
      `A folder of the source cannot be listed (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Give the user Sluice runs as the right to read it.`,
      'later',
      { cause: error },
    );
  }
}

function unopened(path: string, error: unknown): BadFile {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (code === 'EACCES' || code === 'EPERM') return unreadable(path, error);
  const reason = path.includes(UNDECODABLE)
    ? `The name of ${path} is not valid UTF-8. Rename the file.`
    : `${path} is not there any more, or is a link that leads nowhere (${code}). The next run looks again.`;
  return new BadFile('not_found', reason, {}, { cause: error, retry: 'later' });
}

async function isBelow(path: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    const from = relative(await realpath(root).catch(() => resolve(root)), path);
    if (from === '' || (!from.startsWith(`..${sep}`) && from !== '..' && !isAbsolute(from))) return true;
  }
  return false;
}

function fingerprintOf(facts: BigIntStats): string {
  return `${facts.size}:${facts.mtimeNs}:${facts.ino}`;
}

async function assertUnchanged(entry: SourceEntry, real: string): Promise<void> {
  const facts = await stat(real, { bigint: true }).catch(() => null);
  if (facts !== null && fingerprintOf(facts) === entry.fingerprint) return;
  throw new BadFile(
    'changed',
    `${entry.path} changed while it was read. It is tried again by the next run.`,
    {},
    { retry: 'later' },
  );
}
