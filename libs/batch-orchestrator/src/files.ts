import {
  detectFormat,
  type FormatName,
  type FormatReader,
  type Source,
  type SourceEntry,
  type SourceFile,
} from '@sluice/connectors';
import type { FormatSpec } from '@sluice/ingestion';

/** A file opened, with the reader for its format. */
export interface ReadableFile {
  file: SourceFile;
  reader: FormatReader;
}

/** Opens entries of the source and chooses their readers. */
export class Files {
  constructor(
    private readonly source: Source,
    private readonly readers: Record<FormatName, FormatReader>,
    readonly format: FormatSpec,
  ) {}

  list(signal: AbortSignal): AsyncIterable<SourceEntry> {
    return this.source.list(signal);
  }

  /** Raises `BadFile`. */
  async open(entry: SourceEntry): Promise<ReadableFile> {
    const file = await this.source.open(entry);
    return { file, reader: this.readers[this.formatOf(entry.path)] };
  }

  private formatOf(path: string): FormatName {
    const { type } = this.format;
    if (type === 'auto') return detectFormat(path);
    return type === 'ndjson' ? 'json' : type;
  }
}
