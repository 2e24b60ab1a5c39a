import { CopyWriter } from '../../copy/copy-writer';
import { PASSED_OVER } from '../bad-rows';
import type { CsvDialect, FileInput } from '../format-reader';
import { ColumnEvidence, type ReadingForms, readingForms } from '../inference';
import { passOver, type TextLimits } from '../text-pass';
import { CsvPass, startOf } from './csv-pass';
import { NullWords, signsOf } from './csv-signs';
import { type CsvField, CsvTokenizer, type RowEnd } from './csv-tokenizer';

/** A value of the row being read. */
interface Seen {
  text: Uint8Array;
  start: number;
  end: number;
}

/** Gathers what a sample of files says of their columns, in the order first seen. Rows that are bad say nothing. */
export class CsvObserver {
  readonly columns = new Map<string, ColumnEvidence>();
  private readonly forms: ReadingForms;

  constructor(
    private readonly dialect: CsvDialect,
    private readonly limits: TextLimits,
  ) {
    this.forms = readingForms(dialect);
  }

  /** Looks at about `budget` bytes of a file. */
  async observe(file: FileInput, budget: number): Promise<void> {
    await this.observeReadable(file, budget).catch(passOver);
  }

  private async observeReadable(file: FileInput, budget: number): Promise<void> {
    const { dialect, limits } = this;
    const { names } = await startOf(file, dialect, limits);
    const tokenizer = this.tokenizer(names.map((name) => this.evidenceOf(name)));
    let read = 0;
    await new CsvPass({ file, dialect, names, limits }, tokenizer).run((bytes) => {
      read += bytes;
      return Promise.resolve(read < budget);
    });
  }

  private evidenceOf(name: string): ColumnEvidence {
    const evidence = this.columns.get(name) ?? new ColumnEvidence(name, this.forms);
    this.columns.set(name, evidence);
    return evidence;
  }

  private tokenizer(columns: readonly ColumnEvidence[]): CsvTokenizer {
    const { dialect } = this;
    const row: (Seen | null)[] = columns.map(() => null);
    const lineOf = () => tokenizer.recordLine;
    const tokenizer = new CsvTokenizer({
      signs: signsOf(dialect),
      fields: columns.map(({ source }, index) => noted(source, row, index)),
      exact: true,
      nulls: dialect.nulls.length === 0 ? null : new NullWords(dialect.nulls),
      out: new CopyWriter(),
      tuple: 0,
      recordBytes: this.limits.recordBytes,
      tail: wholeRows(columns, row, lineOf),
      bad: PASSED_OVER,
    });
    return tokenizer;
  }
}

function noted(name: string, row: (Seen | null)[], index: number): CsvField {
  const encode: CsvField['encode'] = (_out, text, start, end) => {
    row[index] = { text, start, end };
    return true;
  };
  return { name, encode, type: 'text', emptyIsText: false, whenNull: 'pass', rescue: null };
}

/** Values count once their row has turned out to be one. */
function wholeRows(columns: readonly ColumnEvidence[], row: (Seen | null)[], lineOf: () => number): RowEnd {
  return {
    write: (out) => {
      row.forEach((seen, index) => {
        if (seen !== null) columns[index]?.observe('plain', seen.text, seen.start, seen.end, lineOf());
      });
      row.fill(null);
      out.position = 0;
    },
    clear: () => void row.fill(null),
  };
}
