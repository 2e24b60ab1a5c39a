import { appendFileSync } from 'node:fs';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Rejection } from '@sluice/connectors';

/** Kept in memory before they go to a file. */
const IN_MEMORY = 500;

/** The rows left out of one file until they can be written: while its COPY runs, the connection takes nothing else. */
export class Rejections {
  count = 0;
  first: Rejection | null = null;
  private pending: Rejection[] = [];

  private constructor(private readonly folder: string) {}

  static async in(tempDir: string): Promise<Rejections> {
    return new Rejections(await mkdtemp(join(tempDir, 'sluice-rejected-')));
  }

  /** Readers call it in the middle of a piece and cannot wait; a write of some hundred rows at a time is short. */
  add(rejection: Rejection): void {
    this.count++;
    this.first ??= rejection;
    if (this.pending.push(rejection) >= IN_MEMORY) this.spill();
  }

  /** Forgets all, for another try at the file. */
  async clear(): Promise<void> {
    this.count = 0;
    this.first = null;
    this.pending = [];
    await rm(this.file, { force: true });
  }

  /** All, in their order. */
  async *all(): AsyncGenerator<Rejection> {
    if (this.count > this.pending.length)
      for await (const line of createInterface({ input: createReadStream(this.file), crlfDelay: Infinity }))
        yield JSON.parse(line) as Rejection;
    yield* this.pending;
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.folder, 'rows.ndjson');
  }

  private spill(): void {
    appendFileSync(this.file, this.pending.map((rejection) => `${JSON.stringify(rejection)}\n`).join(''), {
      mode: 0o600,
    });
    this.pending = [];
  }
}
