import { BadFile } from '../../errors';
import { type CsvDialect, type FileInput } from '../format-reader';
import { isAllStorable, readText, type TextLimits } from '../text-pass';
import { type CsvStart, readStart, sameNames } from './csv-header';
import type { CsvTokenizer } from './csv-tokenizer';

/** Reads the beginning of a file and closes it again. */
export async function startOf(file: FileInput, dialect: CsvDialect, limits: TextLimits): Promise<CsvStart> {
  const found: { start: CsvStart | null } = { start: null };
  await readText({
    file,
    encoding: dialect.encoding,
    recordBytes: limits.recordBytes,
    consume: (bytes, last) => {
      found.start = readStart(bytes, dialect, last, limits);
      return found.start === null ? 0 : bytes.length;
    },
    afterEach: () => Promise.resolve(found.start === null),
  });
  return found.start ?? { offset: 0, line: 1, names: [] };
}

/** What a pass reads, and how. */
export interface CsvText {
  file: FileInput;
  dialect: CsvDialect;
  /** What the header said when the file was opened. */
  names: readonly string[];
  limits: TextLimits;
}

/** One reading of a whole file. */
export class CsvPass {
  private started = false;

  constructor(
    private readonly text: CsvText,
    private readonly tokenizer: CsvTokenizer,
  ) {}

  /** Until `rows` have been written. `afterEach` gets the bytes just read; false ends the reading. */
  async run(afterEach: (bytes: number) => Promise<boolean>, signal?: AbortSignal, rows = Infinity): Promise<void> {
    const { file, dialect, limits } = this.text;
    let used = 0;
    await readText({
      file,
      encoding: dialect.encoding,
      recordBytes: limits.recordBytes,
      consume: (bytes, last) => (used = this.consume(bytes, last, rows)),
      afterEach: () => afterEach(used),
      ...(signal !== undefined && { signal }),
    });
  }

  private consume(bytes: Buffer, last: boolean, rows: number): number {
    let from = 0;
    if (!this.started) {
      const start = this.begin(bytes, last);
      if (start === null) return 0;
      from = start;
    }
    const used = this.tokenizer.consume(bytes, last, !isAllStorable(bytes, last), from, rows);
    return this.tokenizer.rows < rows ? used : bytes.length;
  }

  /** The header is read again with the rows, so that a file exchanged in between cannot put values into wrong columns. */
  private begin(bytes: Buffer, last: boolean): number | null {
    const { file, dialect, names, limits } = this.text;
    const start = readStart(bytes, dialect, last, limits);
    if (start === null) return null;
    if (!sameNames(start.names, names))
      throw new BadFile(
        'changed',
        `${file.path} changed while it was read. It is tried again by the next run.`,
        {},
        { retry: 'later' },
      );
    this.started = true;
    this.tokenizer.line = start.line;
    return start.offset;
  }
}
