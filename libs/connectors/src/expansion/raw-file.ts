import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { BadFile } from '../errors';

const CHUNK_BYTES = 1024 * 1024;
const HEAD_BYTES = 256 * 1024;

/** The bytes of an entry as the source holds them, in a local file: the entry itself, or what a remote source spooled. */
export class RawFile {
  private first: Promise<Buffer> | null = null;
  private digest: string | null = null;

  /** `path` is for messages; `bytes` is what the source tells; `localPath` is opened as often as there are readers. */
  constructor(
    readonly path: string,
    readonly bytes: number,
    readonly localPath: string,
  ) {}

  /** The first 256 KiB, or all there is. Read once and kept, so that a small file is opened once however often it is looked at. */
  head(): Promise<Buffer> {
    this.first ??= readHead(this.localPath, this.bytes).catch((error: unknown) => {
      throw unreadable(this.path, error);
    });
    return this.first;
  }

  /** The bytes from the start, hashed on their way, so that the version is that of exactly what was loaded. */
  async *chunks(): AsyncGenerator<Buffer> {
    this.digest = null;
    const hash = createHash('sha256');
    for await (const chunk of this.read()) {
      hash.update(chunk);
      yield chunk;
    }
    this.digest = `sha256:${hash.digest('hex')}`;
  }

  /** A hash of the bytes read last, or of those there are when none were read to their end. */
  async version(): Promise<string> {
    if (this.digest === null) for await (const chunk of this.chunks()) void chunk;
    return this.digest ?? '';
  }

  private async *read(): AsyncGenerator<Buffer> {
    const head = await this.head();
    if (head.length > 0) yield head;
    if (head.length < HEAD_BYTES) return;
    try {
      yield* createReadStream(this.localPath, {
        start: HEAD_BYTES,
        highWaterMark: CHUNK_BYTES,
      }) as AsyncIterable<Buffer>;
    } catch (error) {
      throw unreadable(this.path, error);
    }
  }
}

/** `bytes` is what is expected: one more tells that there is no more. */
async function readHead(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path);
  try {
    let head = Buffer.allocUnsafeSlow(Math.min(HEAD_BYTES, bytes + 1));
    let used = 0;
    for (let read = -1; read !== 0 && used < HEAD_BYTES; used += read) {
      // More than was expected: the file has grown.
      if (used === head.length) head = Buffer.concat([head], HEAD_BYTES);
      read = (await file.read(head, used, head.length - used, used)).bytesRead;
    }
    return head.subarray(0, used);
  } finally {
    await file.close();
  }
}

/** What the file system says while a file is read is the file's own fault: the others may be readable. */
export function unreadable(path: string, error: unknown): BadFile {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  const later = { cause: error, retry: 'later' } as const;
  if (code === 'ENOENT') return new BadFile('not_found', `${path} went away while it was read.`, {}, later);
  if (code === 'EACCES' || code === 'EPERM')
    return new BadFile(
      'permission',
      `${path} may not be read by the user Sluice runs as. Give that user the right to read it.`,
      {},
      later,
    );
  return new BadFile('connectivity', `${path} could not be read (${code}). The next run tries again.`, {}, later);
}
