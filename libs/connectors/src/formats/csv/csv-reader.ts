import { CopyWriter } from '../../copy/copy-writer';
import { RowTail } from '../../copy/row-tail';
import type { LoadColumn } from '../../column';
import type { DuckDb } from '../../duckdb';
import { BadFile } from '../../errors';
import { BadRows } from '../bad-rows';
import {
  type CopyOrder,
  type CsvDialect,
  type FileInput,
  FormatReader,
  type Inference,
  type OpenedFile,
  type ReadPlan,
  type Refusal,
  rescues,
} from '../format-reader';
import type { TextLimits } from '../text-pass';
import { complete, ofThisFile } from './csv-dialect';
import { type PlannedField, plannedFields, writtenFields } from './csv-fields';
import { CsvObserver } from './csv-observer';
import { CsvPass, type CsvText, startOf } from './csv-pass';
import { NullWords, signsOf } from './csv-signs';
import { sniff, sniffAny } from './csv-sniffer';
import { CsvTokenizer } from './csv-tokenizer';

/** CSV and its relatives (TSV, semicolons, pipes). */
export class CsvReader extends FormatReader {
  constructor(
    private readonly duckDb: DuckDb,
    private readonly limits: TextLimits,
  ) {
    super();
  }

  override async infer(files: readonly FileInput[], given: Partial<CsvDialect>, budget: number): Promise<Inference> {
    const dialect = await sniffAny(this.duckDb, files, given);
    if (dialect === null) return { columns: [], dialect };
    const observer = new CsvObserver(dialect, given, this.limits);
    for (const file of files) await observer.observe(file, budget);
    return { columns: [...observer.columns.values()].map(({ source, type, why }) => ({ source, type, why })), dialect };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    const { limits } = this;
    const dialect =
      plan.dialect === null
        ? await sniff(this.duckDb, file, plan.given)
        : await ofThisFile(complete(plan.given, plan.dialect), file, plan.given);
    const { names } = await startOf(file, dialect, limits);
    return new OpenedCsv({ file, dialect, names, limits }, plan);
  }
}

type RowOrder = Pick<CopyOrder, 'loadId' | 'numbered' | 'reject' | 'refused'>;

class OpenedCsv implements OpenedFile {
  readonly columns: readonly LoadColumn[];
  readonly declared = null;
  private readonly fields: readonly PlannedField[];

  constructor(
    private readonly text: CsvText,
    private readonly plan: ReadPlan,
  ) {
    this.fields = plannedFields(text.names, plan, text.file.path);
    this.columns = this.fields.flatMap(({ to }) => (typeof to === 'string' ? [] : [to]));
    this.requireKeys();
  }

  /** An empty file lacks nothing: it says nothing. */
  missing(): readonly string[] {
    const { names } = this.text;
    if (names.length === 0) return [];
    return this.plan.columns.map(({ source }) => source).filter((source) => !names.includes(source));
  }

  async copyTo(order: CopyOrder): Promise<number> {
    const out = new CopyWriter();
    await this.pass(order, out).run(async () => {
      if (out.position > 0) await out.sendTo(order.sink);
      return true;
    }, order.signal);
    return out.rows;
  }

  /** Reads the rows as they were read for the server, up to the one looked for, and throws them away. */
  async locate(
    sent: number,
    refused: ReadonlyMap<number, Refusal>,
  ): Promise<{ record: number; line: number | null } | null> {
    const out = new CopyWriter();
    const tokenizer = this.tokenizer({ loadId: 0n, numbered: false, reject: () => undefined, refused }, out);
    await new CsvPass(this.text, tokenizer).run(
      () => {
        out.position = 0;
        return Promise.resolve(out.rows < sent);
      },
      undefined,
      sent,
    );
    return out.rows < sent ? null : { record: tokenizer.records, line: tokenizer.recordLine };
  }

  close(): void {
    // Nothing is held open between the calls.
  }

  private pass(order: RowOrder, out: CopyWriter): CsvPass {
    return new CsvPass(this.text, this.tokenizer(order, out));
  }

  private tokenizer({ loadId, numbered, reject, refused }: RowOrder, out: CopyWriter): CsvTokenizer {
    const { plan } = this;
    const { dialect, limits } = this.text;
    const tail = new RowTail({ loadId, numbered, rescues: rescues(plan) });
    return new CsvTokenizer({
      signs: signsOf(dialect),
      fields: writtenFields(this.fields, dialect, plan, tail),
      exact: true,
      nulls: dialect.nulls.length === 0 ? null : new NullWords(dialect.nulls),
      out,
      tuple: this.columns.length + tail.fields,
      recordBytes: limits.recordBytes,
      tail,
      bad: new BadRows(plan.badRows, reject, refused),
    });
  }

  /** A row without a merge key cannot be merged, and none of this file would have one. */
  private requireKeys(): void {
    const missing = new Set(this.missing());
    const keys = this.plan.columns.filter(({ source, required }) => required === true && missing.has(source));
    if (keys.length === 0) return;
    const names = keys.map(({ source }) => source).join(', ');
    throw new BadFile(
      'schema_mismatch',
      `${this.text.file.path} lacks what rows are merged by: ${names}. Add it to the file.`,
    );
  }
}
