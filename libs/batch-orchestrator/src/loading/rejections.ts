import { appendFileSync, createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { asUnwritable, type LeftOutRow, makeTempFolder } from '@sluice/connectors';

/** Kept in memory before they go to a file. */
const IN_MEMORY = 500;

/** The rows left out of one file until they can be written: while its COPY runs, the connection takes nothing else. */
export class Rejections {
  count = 0;
  first: LeftOutRow | null = null;
  private pending: LeftOutRow[] = [];

  /** Made only when memory is not enough: most files have no bad row. */
  private folder: string | null = null;

  constructor(private readonly tempDir: string) {}

  /** Readers call it in the middle of a piece and cannot wait; a write of some hundred rows at a time is short. Raises `BadFile` when there is no room. */
  add(rejection: LeftOutRow): void {
    this.count++;
    this.first ??= rejection;
    if (this.pending.push(rejection) >= IN_MEMORY) this.spill();
  }

  /** Forgets all, for another try at the file. */
  async clear(): Promise<void> {
    this.count = 0;
    this.first = null;
    this.pending = [];
    await this.close();
  }

  /** All, in their order. */
  async *all(): AsyncGenerator<LeftOutRow> {
    if (this.count > this.pending.length)
      for await (const line of createInterface({ input: createReadStream(this.file), crlfDelay: Infinity }))
        yield JSON.parse(line) as LeftOutRow;
    yield* this.pending;
  }

  async close(): Promise<void> {
    if (this.folder !== null) await rm(this.folder, { recursive: true, force: true });
    this.folder = null;
  }

  private get file(): string {
    this.folder ??= makeTempFolder(this.tempDir, 'rejected');
    return join(this.folder, 'rows.ndjson');
  }

  private spill(): void {
    const lines = this.pending.map((rejection) => `${JSON.stringify(rejection)}\n`).join('');
    try {
      appendFileSync(this.file, lines, { mode: 0o600 });
    } catch (error) {
      throw asUnwritable(error, 'The rows left out could not be kept in', this.tempDir);
    }
    this.pending = [];
  }
}
