import type { BigIntStats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import picomatch from 'picomatch';
import { BadFile, SourceError } from '../errors';
import { compressionOf } from '../formats/detect';
import { Source, type SourceEntry, type SourceFile } from './source';

const CHUNK_BYTES = 1024 * 1024;
const MAX_PATH_BYTES = 2000;
/** Stands in a name for bytes that are no UTF-8; such a file cannot be opened by its name. */
const UNDECODABLE = '\ufffd';

export interface FileSourceOptions {
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

  constructor(private readonly options: FileSourceOptions) {
    super();
    this.matches = picomatch(options.pattern);
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
    return new LocalFile(entry, real);
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
    if (facts === 'unreadable' || (facts === null && path.includes(UNDECODABLE)))
      yield { path, bytes: 0, fingerprint: 'unreadable' };
    else if (facts !== null && (facts.isFile() || facts.isSymbolicLink()))
      yield { path, bytes: Number(facts.size), fingerprint: fingerprintOf(facts) };
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

/** What the file system says while a file is read is the file's own fault: the others may be readable. */
function unreadable(path: string, error: unknown): BadFile {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (code === 'ENOENT')
    return new BadFile('not_found', `${path} went away while it was read.`, {}, { cause: error, retry: 'later' });
  if (code === 'EACCES' || code === 'EPERM')
    return new BadFile(
      'permission',
      `${path} may not be read by the user Sluice runs as. Give that user the right to read it.`,
      {},
      { cause: error, retry: 'later' },
    );
  return new BadFile(
    'connectivity',
    `${path} could not be read (${code}). The next run tries again.`,
    {},
    { cause: error, retry: 'later' },
  );
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

class LocalFile implements SourceFile {
  readonly path: string;
  readonly bytes: number;
  readonly compression: SourceFile['compression'];
  private digest: string | null = null;

  constructor(
    private readonly entry: SourceEntry,
    private readonly real: string,
  ) {
    this.path = entry.path;
    this.bytes = entry.bytes;
    this.compression = compressionOf(entry.path);
  }

  open(): Readable {
    return Readable.from(this.hashed(), { objectMode: true, highWaterMark: 1 });
  }

  localPath(): Promise<string> {
    return Promise.resolve(this.real);
  }

  async version(): Promise<string> {
    if (this.digest === null) for await (const chunk of this.hashed()) void chunk;
    return this.digest ?? '';
  }

  async assertUnchanged(): Promise<void> {
    const facts = await stat(this.real, { bigint: true }).catch(() => null);
    if (facts !== null && fingerprintOf(facts) === this.entry.fingerprint) return;
    throw new BadFile(
      'changed',
      `${this.path} changed while it was read. It is tried again by the next run.`,
      {},
      { retry: 'later' },
    );
  }

  /** The bytes, hashed on their way, so that the version is that of exactly what was loaded. */
  private async *hashed(): AsyncGenerator<Buffer> {
    this.digest = null;
    const hash = createHash('sha256');
    const stream = createReadStream(this.real, { highWaterMark: CHUNK_BYTES });
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        hash.update(chunk);
        yield chunk;
      }
    } catch (error) {
      throw unreadable(this.path, error);
    }
    this.digest = `sha256:${hash.digest('hex')}`;
  }
}
