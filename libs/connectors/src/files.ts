import { detectFormat, type FormatName } from './formats/detect';
import type { CsvDialect, FileInput, FormatReader } from './formats/format-reader';
import { type FormatOptions, givenDialect } from './formats/given-dialect';
import type { Source, SourceEntry, SourceFile } from './sources/source';

/** How files are to be read, in the wire's words. */
export interface FormatChoice {
  type: 'auto' | 'csv' | 'json' | 'ndjson' | 'parquet' | 'avro';
  options: FormatOptions;
}

/** One part of a file, with the reader for its format. */
export interface ReadablePart {
  input: FileInput;
  /** Of a zip archive: the name of the file within it. */
  member: string | null;
  reader: FormatReader;
}

/** A file opened. */
export interface ReadableFile {
  file: SourceFile;
  parts: readonly ReadablePart[];
}

/** Opens entries of the source and chooses the readers of their parts. */
export class Files {
  /** What the person said of the dialect. */
  readonly given: Partial<CsvDialect>;

  constructor(
    private readonly source: Source,
    private readonly readers: Record<FormatName, FormatReader>,
    private readonly format: FormatChoice,
  ) {
    this.given = givenDialect(format.options);
  }

  list(signal: AbortSignal): AsyncIterable<SourceEntry> {
    return this.source.list(signal);
  }

  /** The caller closes `file`. Raises `BadFile`. */
  async open(entry: SourceEntry): Promise<ReadableFile> {
    const file = await this.source.open(entry);
    try {
      const parts = await file.parts();
      return { file, parts: parts.map((input) => this.readable(entry, input)) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private readable({ path }: SourceEntry, input: FileInput): ReadablePart {
    const archive = `${path}!/`;
    const member = input.path.startsWith(archive) ? input.path.slice(archive.length) : null;
    return { input, member, reader: this.readers[this.formatOf(input.path)] };
  }

  private formatOf(path: string): FormatName {
    const { type } = this.format;
    if (type === 'auto') return detectFormat(path);
    return type === 'ndjson' ? 'json' : type;
  }
}
