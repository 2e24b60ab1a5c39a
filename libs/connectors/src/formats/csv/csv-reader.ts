import type { Readable } from 'node:stream';
import { loadIdBytes, CopyWriter } from '../../copy/copy-writer';
import { encoderOf, typeName } from '../../copy/column-encoder';
import type { LoadColumn } from '../../column';
import type { DuckDb } from '../../duckdb';
import { BadFile, UnknownColumns } from '../../errors';
import { asBadFile, type Consume, expand, feed, isStorable, unstorable } from '../bytes';
import {
  type CsvDialect,
  type FileInput,
  FormatReader,
  type Inference,
  type OpenedFile,
  type ReadPlan,
  type Sink,
} from '../format-reader';
import { ColumnEvidence } from '../inference';
import { type CsvStart, readStart, sameNames } from './csv-header';
import { type CsvField, CsvTokenizer } from './csv-tokenizer';
import { complete, sniff, sniffAny } from './csv-sniffer';

/** CSV and its relatives (TSV, semicolons, pipes). */
export class CsvReader extends FormatReader {
  constructor(private readonly duckDb: DuckDb) {
    super();
  }

  override async infer(files: readonly FileInput[], given: Partial<CsvDialect>, budget: number): Promise<Inference> {
    const columns = new Map<string, ColumnEvidence>();
    const dialect = await sniffAny(this.duckDb, files, given);
    if (dialect !== null) for (const file of files) await observe(file, dialect, columns, budget);
    return { columns: [...columns.values()].map(({ source, type }) => ({ source, type })), dialect };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    const dialect =
      plan.dialect === null ? await sniff(this.duckDb, file, plan.given) : complete(plan.given, plan.dialect);
    const { names } = await startOf(file, dialect);
    return new OpenedCsv(file, dialect, names, fieldsOf(names, plan, file.path));
  }
}

interface PlannedField extends CsvField {
  column: LoadColumn | null;
}

function fieldsOf(names: readonly string[], plan: ReadPlan, path: string): PlannedField[] {
  const known = new Map(plan.columns.map((column) => [column.source, column]));
  const unknown = names.filter((name) => !known.has(name));
  if (names.length > 0 && unknown.length === names.length && known.size > 0) throw nothingInCommon(path, names, plan);
  if (unknown.length > 0 && plan.unknown === 'report') throw new UnknownColumns(unknown);
  return names.map((name) => fieldFor(name, known.get(name) ?? null));
}

function fieldFor(name: string, column: LoadColumn | null): PlannedField {
  const type = column?.type ?? 'text';
  return {
    name,
    column,
    encode: column === null ? null : encoderOf(column),
    type: column === null ? type : typeName(column),
    emptyIsText: ['text', 'character varying', 'character'].includes(type),
  };
}

function nothingInCommon(path: string, names: readonly string[], plan: ReadPlan): BadFile {
  const expected = plan.columns.map(({ source }) => source).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${path} has none of the columns expected (${expected}) but ${names.join(', ')}. Check its header and delimiter.`,
  );
}

/** Reads the beginning of a file and closes it again. */
async function startOf(file: FileInput, dialect: CsvDialect): Promise<CsvStart> {
  const found: { start: CsvStart | null } = { start: null };
  const take = (bytes: Buffer, last: boolean) => {
    found.start = readStart(bytes, dialect, last);
    return 0;
  };
  try {
    await feed(expand(file), take, () => Promise.resolve(found.start === null));
  } catch (error) {
    throw asBadFile(error, file);
  }
  return found.start ?? { offset: 0, line: 1, names: [] };
}

/** What is wrong with a file is told by its load, with its name; the sample only looks at what can be read. */
async function observe(
  file: FileInput,
  dialect: CsvDialect,
  columns: Map<string, ColumnEvidence>,
  budget: number,
): Promise<void> {
  await observeReadable(file, dialect, columns, budget).catch((error: unknown) => {
    if (!(error instanceof BadFile)) throw error;
  });
}

async function observeReadable(
  file: FileInput,
  dialect: CsvDialect,
  columns: Map<string, ColumnEvidence>,
  budget: number,
): Promise<void> {
  const { names } = await startOf(file, dialect);
  const fields = names.map((name): CsvField => {
    const evidence = columns.get(name) ?? new ColumnEvidence(name);
    columns.set(name, evidence);
    const encode: CsvField['encode'] = (_out, text, start, end) => {
      evidence.observe('plain', text, start, end);
      return true;
    };
    return { name, type: 'text', emptyIsText: false, encode };
  });
  const pass = new CsvPass(file, dialect, names, fields);
  let read = 0;
  await pass.run(expand(file), (bytes) => {
    read += bytes;
    return Promise.resolve(read < budget);
  });
}

class OpenedCsv implements OpenedFile {
  readonly columns: readonly LoadColumn[];

  constructor(
    private readonly file: FileInput,
    private readonly dialect: CsvDialect,
    private readonly names: readonly string[],
    private readonly fields: readonly PlannedField[],
  ) {
    this.columns = fields.flatMap(({ column }) => (column === null ? [] : [column]));
  }

  async copyTo(sink: Sink, loadId: bigint, signal: AbortSignal): Promise<number> {
    const out = new CopyWriter();
    const pass = new CsvPass(this.file, this.dialect, this.names, this.fields, out, loadIdBytes(loadId));
    const stream = expand(this.file);
    const stop = () => stream.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      await pass.run(stream, async () => {
        if (out.position > 0) await sink(out.take());
        return true;
      });
    } finally {
      signal.removeEventListener('abort', stop);
      stream.destroy();
    }
    return pass.records;
  }

  async lineOf(row: number): Promise<number | null> {
    const skipped = this.fields.map((field) => ({ ...field, encode: null }));
    const pass = new CsvPass(this.file, this.dialect, this.names, skipped);
    return pass.lineOf(row);
  }

  close(): void {
    // Nothing is held open between the calls.
  }
}

/** One reading of a whole file. */
class CsvPass {
  private readonly tokenizer: CsvTokenizer;
  private started = false;

  constructor(
    private readonly file: FileInput,
    private readonly dialect: CsvDialect,
    private readonly names: readonly string[],
    fields: readonly CsvField[],
    private readonly out = new CopyWriter(),
    suffix: Uint8Array = new Uint8Array(0),
  ) {
    this.tokenizer = new CsvTokenizer(dialect, fields, true, this.out, suffix);
  }

  get records(): number {
    return this.tokenizer.records;
  }

  /** `afterEach` gets the bytes just read; false ends the reading. */
  async run(stream: Readable, afterEach: (bytes: number) => Promise<boolean>): Promise<void> {
    let used = 0;
    const take = (bytes: Buffer, last: boolean) => (used = this.consume(bytes, last, Infinity));
    await this.read(stream, take, () => afterEach(used));
  }

  private async read(stream: Readable, take: Consume, afterEach: () => Promise<boolean>): Promise<void> {
    try {
      await feed(stream, take, async () => {
        const more = await afterEach();
        this.out.position = 0;
        return more;
      });
    } catch (error) {
      throw asBadFile(error, this.file);
    }
  }

  async lineOf(row: number): Promise<number | null> {
    let line: number | null = null;
    const take = (bytes: Buffer, last: boolean) => {
      const used = this.consume(bytes, last, row - this.records);
      if (this.records === row) line = this.tokenizer.recordLine;
      return used;
    };
    await this.read(expand(this.file), take, () => Promise.resolve(line === null));
    return line;
  }

  private consume(bytes: Buffer, last: boolean, most: number): number {
    let from = 0;
    if (!this.started) {
      const start = this.begin(bytes, last);
      if (start === null) return 0;
      from = start;
    }
    const line = this.tokenizer.line;
    const used = this.tokenizer.consume(bytes, last, from, most);
    const taken = bytes.subarray(from, used);
    if (!isStorable(taken)) throw unstorable(taken, line);
    return used;
  }

  /** The header is read again with the rows, so that a file exchanged in between cannot put values into wrong columns. */
  private begin(bytes: Buffer, last: boolean): number | null {
    const start = readStart(bytes, this.dialect, last);
    if (start === null) return null;
    if (!sameNames(start.names, this.names))
      throw new BadFile(
        'changed',
        `${this.file.path} changed while it was read. It is tried again by the next run.`,
        {},
        { retry: 'later' },
      );
    this.started = true;
    this.tokenizer.line = start.line;
    return start.offset;
  }
}
