import { CopyWriter, loadIdBytes } from '../../copy/copy-writer';
import { encoderOf, typeName } from '../../copy/column-encoder';
import type { TextEncoder } from '../../copy/text-values';
import { type LoadColumn, MAX_COLUMNS } from '../../column';
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
import { ColumnEvidence, type ValueKind } from '../inference';
import { JsonRecords, type RecordListener } from './json-records';

/** One outermost array of objects, or objects one after another (NDJSON). */
export class JsonReader extends FormatReader {
  override async infer(files: readonly FileInput[], _given: Partial<CsvDialect>, budget: number): Promise<Inference> {
    const columns = new Map<string, ColumnEvidence>();
    for (const file of files) await observe(file, columns, budget);
    return { columns: [...columns.values()].map(({ source, type }) => ({ source, type })), dialect: null };
  }

  override open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    return Promise.resolve(new OpenedJson(file, plan));
  }
}

async function observe(file: FileInput, columns: Map<string, ColumnEvidence>, budget: number): Promise<void> {
  const nothing = () => undefined;
  const value: RecordListener['value'] = (name, kind, bytes, start, end) => {
    // One more than a table can hold is enough to say so.
    if (columns.size > MAX_COLUMNS) return;
    const evidence = columns.get(name) ?? new ColumnEvidence(name);
    columns.set(name, evidence);
    const inset = kind === 'string' ? 1 : 0;
    if (kind !== 'null') evidence.observe(kind, bytes, start + inset, end - inset);
  };
  const pass = new JsonPass(file, { begin: nothing, value, end: nothing, drop: nothing });
  let read = 0;
  const take = (bytes: number) => Promise.resolve((read += bytes) < budget);
  // What is wrong with the file is told by the load; the sample only looks at what can be read.
  await pass.run(take).catch((error: unknown) => {
    if (!(error instanceof BadFile)) throw error;
  });
}

class OpenedJson implements OpenedFile {
  readonly columns: readonly LoadColumn[];

  constructor(
    private readonly file: FileInput,
    private readonly plan: ReadPlan,
  ) {
    this.columns = plan.columns;
  }

  async copyTo(sink: Sink, loadId: bigint, signal: AbortSignal): Promise<number> {
    const out = new CopyWriter();
    const rows = new RowEncoder(this.plan, out, loadIdBytes(loadId));
    const pass = new JsonPass(this.file, rows);
    await pass.run(async () => {
      if (out.position > 0) await sink(out.take());
      return true;
    }, signal);
    if (pass.records > 0 && !rows.metKnown) throw this.nothingInCommon();
    return pass.records;
  }

  async lineOf(row: number): Promise<number | null> {
    const nothing = () => undefined;
    const pass = new JsonPass(this.file, { begin: nothing, value: nothing, end: nothing, drop: nothing });
    return pass.lineOf(row);
  }

  close(): void {
    // Nothing is held open between the calls.
  }

  private nothingInCommon(): BadFile {
    const expected = this.plan.columns.map(({ source }) => source).join(', ');
    return new BadFile(
      'schema_mismatch',
      `${this.file.path} has none of the fields expected (${expected}). Check that it belongs here.`,
    );
  }
}

/** One reading of a whole file. */
class JsonPass {
  private readonly found: JsonRecords;

  constructor(
    private readonly file: FileInput,
    listener: RecordListener,
  ) {
    this.found = new JsonRecords(file.path, listener);
  }

  get records(): number {
    return this.found.records;
  }

  async run(afterEach: (bytes: number) => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    let used = 0;
    const take = (bytes: Buffer, last: boolean) => (used = this.consume(bytes, last, Infinity));
    await this.read(take, () => afterEach(used), signal);
  }

  private async read(take: Consume, afterEach: () => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    const stream = expand(this.file);
    const stop = () => stream.destroy(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      signal?.throwIfAborted();
      await feed(stream, take, afterEach);
    } catch (error) {
      throw asBadFile(error, this.file);
    } finally {
      signal?.removeEventListener('abort', stop);
      stream.destroy();
    }
  }

  async lineOf(row: number): Promise<number | null> {
    let line: number | null = null;
    const take = (bytes: Buffer, last: boolean) => {
      const used = this.consume(bytes, last, row - this.records);
      if (this.records === row) line = this.found.recordLine;
      return used;
    };
    await this.read(take, () => Promise.resolve(line === null));
    return line;
  }

  private consume(bytes: Buffer, last: boolean, most: number): number {
    const { line } = this.found.scanner;
    const used = this.found.consume(bytes, last, most);
    const taken = bytes.subarray(0, used);
    if (!isStorable(taken)) throw unstorable(taken, line);
    return used;
  }
}

/** How one column takes the values of JSON. */
interface Target extends LoadColumn {
  encode: TextEncoder;
  /** jsonb takes every value as it stands, text every value but strings. */
  takes: 'json' | 'text' | 'scalar';
}

/** Writes each record as one row, in the order of the plan's columns. A member met twice counts as last written, as in jsonb. */
class RowEncoder implements RecordListener {
  metKnown = false;
  private readonly targets: readonly Target[];
  private readonly indexOf: Map<string, number>;
  private readonly starts: Int32Array;
  private readonly ends: Int32Array;
  private readonly kinds: (ValueKind | 'null')[];
  private readonly escapes: boolean[];
  private readonly lines: Float64Array;
  private bytes: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly plan: ReadPlan,
    private readonly out: CopyWriter,
    private readonly suffix: Buffer,
  ) {
    this.targets = plan.columns.map(targetOf);
    this.indexOf = new Map(plan.columns.map(({ source }, index) => [source, index]));
    this.starts = new Int32Array(this.targets.length);
    this.ends = new Int32Array(this.targets.length);
    this.kinds = this.targets.map(() => 'null');
    this.escapes = this.targets.map(() => false);
    this.lines = new Float64Array(this.targets.length);
  }

  begin(): void {
    this.kinds.fill('null');
  }

  value(
    name: string,
    kind: ValueKind | 'null',
    bytes: Uint8Array,
    start: number,
    end: number,
    escaped: boolean,
    line: number,
  ): void {
    const index = this.indexOf.get(name);
    if (index === undefined) {
      if (this.plan.unknown === 'report') throw new UnknownColumns([name]);
      return;
    }
    this.metKnown = true;
    this.bytes = bytes;
    this.starts[index] = start;
    this.ends[index] = end;
    this.kinds[index] = kind;
    this.escapes[index] = escaped;
    this.lines[index] = line;
  }

  end(): void {
    this.out.beginRow(this.targets.length + 1);
    for (let index = 0; index < this.targets.length; index++) this.encode(index);
    this.out.raw(this.suffix, 0, this.suffix.length);
    this.out.endRow();
  }

  drop(): void {
    // Rows are written at their end only.
  }

  private encode(index: number): void {
    const target = this.targets[index] as Target;
    const kind = this.kinds[index];
    const start = this.starts[index] as number;
    const end = this.ends[index] as number;
    if (kind === 'null') this.out.nothing();
    else if (target.takes === 'json') target.encode(this.out, this.bytes, start, end);
    else if (kind === 'string') this.encodeString(target, start, end, this.escapes[index] as boolean);
    else if (kind === 'nested' && target.takes === 'scalar') throw this.unfit(target, start, end);
    else if (!target.encode(this.out, this.bytes, start, end)) throw this.unfit(target, start, end);
  }

  private encodeString(target: Target, start: number, end: number, escaped: boolean): void {
    const text = escaped ? this.unescape(target, start, end) : this.bytes.subarray(start + 1, end - 1);
    if (!target.encode(this.out, text, 0, text.length)) throw this.unfit(target, start, end);
  }

  private unescape(target: Target, start: number, end: number): Buffer {
    const text = JSON.parse(Buffer.from(this.bytes.subarray(start, end)).toString()) as string;
    if (/\p{Surrogate}/u.test(text)) throw this.bad('malformed', target, 'half of a surrogate pair stands alone');
    return Buffer.from(text);
  }

  private unfit(target: Target, start: number, end: number): BadFile {
    const shown = Buffer.from(this.bytes.subarray(start, Math.min(end, start + 60))).toString();
    return this.bad('type_mismatch', target, `${shown} cannot be stored as ${typeName(target)} without changing it`);
  }

  private bad(type: 'malformed' | 'type_mismatch', target: Target, problem: string): BadFile {
    const line = this.lines[this.targets.indexOf(target)] ?? null;
    return new BadFile(type, `Line ${line}, field ${target.source}: ${problem}. Correct the value.`, {
      line,
      column: target.source,
    });
  }
}

function targetOf(column: LoadColumn): Target {
  const encode = encoderOf(column);
  const takes = ['json', 'jsonb'].includes(column.type)
    ? 'json'
    : ['text', 'character varying'].includes(column.type)
      ? 'text'
      : 'scalar';
  return { ...column, encode, takes };
}
