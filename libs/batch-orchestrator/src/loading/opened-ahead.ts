import type { Files, ReadableFile, SourceEntry } from '@sluice/connectors';

/** Opens the next file while the server is busy with the one before: of many small files, waiting is most of the time. */
export class OpenedAhead {
  private next: { path: string; file: Promise<ReadableFile> } | null = null;

  constructor(private readonly files: Files) {}

  /** Begins to open a file, if none is open yet. Whoever takes it gets its fault, too. */
  open(entry: SourceEntry | undefined): void {
    if (entry === undefined || this.next !== null) return;
    const file = this.files.open(entry);
    file.catch(() => undefined);
    this.next = { path: entry.path, file };
  }

  /** The file opened ahead, or opened now. Raises `BadFile`. */
  async take(entry: SourceEntry): Promise<ReadableFile> {
    const { next } = this;
    if (next?.path !== entry.path) return this.files.open(entry);
    this.next = null;
    return next.file;
  }

  /** Closes what nobody has taken. */
  async close(): Promise<void> {
    const { next } = this;
    this.next = null;
    const left = await next?.file.catch(() => null);
    await left?.file.close();
  }
}
