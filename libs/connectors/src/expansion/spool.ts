import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asUnwritable, makeTempFolder } from '../temp-folders';
import type { Chunks } from './chunks';

/** Local copies for readers that need a file, in a folder only this user may enter, made when it is needed. To be closed. */
export class Spool {
  private readonly stop = new AbortController();
  private folder: string | null = null;
  private readonly writing: Promise<unknown>[] = [];

  constructor(private readonly tempDir: string) {}

  /** Resolves with the copy's path. Raises what `chunks` raises, and `BadFile` when there is no room. */
  write(chunks: Chunks): Promise<string> {
    const written = this.copy(chunks, String(this.writing.length));
    this.writing.push(written);
    return written;
  }

  /** Ends what is being written and removes everything. Never raises. */
  async close(): Promise<void> {
    this.stop.abort();
    await Promise.allSettled(this.writing);
    if (this.folder !== null) await rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
  }

  private async copy(chunks: Chunks, name: string): Promise<string> {
    try {
      this.folder ??= makeTempFolder(this.tempDir, 'spool');
      const path = join(this.folder, name);
      const signal = this.stop.signal;
      await pipeline(Readable.from(chunks, { highWaterMark: 1 }), createWriteStream(path, { mode: 0o600 }), { signal });
      return path;
    } catch (error) {
      throw this.stop.signal.aborted ? error : asUnwritable(error, 'No copy could be written to', this.tempDir);
    }
  }
}
