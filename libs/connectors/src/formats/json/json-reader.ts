import { CopyWriter } from '../../copy/copy-writer';
import { RowTail } from '../../copy/row-tail';
import type { LoadColumn } from '../../column';
import { BadFile } from '../../errors';
import { BadRows, PASSED_OVER } from '../bad-rows';
import {
  type CopyOrder,
  type CsvDialect,
  type Encoding,
  type FileInput,
  FormatReader,
  type Inference,
  type OpenedFile,
  type ReadPlan,
  type Refusal,
  rescues,
} from '../format-reader';
import { detectEncoding } from '../text';
import { isAllStorable, passOver, readText, type TextLimits } from '../text-pass';
import { JsonObserver } from './json-observer';
import { JsonRecords } from './json-records';
import { JsonRows } from './json-rows';

/** One outermost array of objects, or objects one after another (NDJSON). */
export class JsonReader extends FormatReader {
  constructor(private readonly limits: TextLimits) {
    super();
  }

  override async infer(files: readonly FileInput[], given: Partial<CsvDialect>, budget: number): Promise<Inference> {
    const observer = new JsonObserver(this.limits.columns);
    for (const file of files) await this.observe(file, given, budget, observer).catch(passOver);
    return { columns: observer.inferred, dialect: null };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    return new OpenedJson(await this.textOf(file, plan.given), plan);
  }

  private async observe(
    file: FileInput,
    given: Partial<CsvDialect>,
    budget: number,
    observer: JsonObserver,
  ): Promise<void> {
    const text = await this.textOf(file, given);
    const records = new JsonRecords(file.path, this.limits, observer, PASSED_OVER);
    let read = 0;
    await runPass(text, records, (bytes) => Promise.resolve((read += bytes) < budget));
  }

  private async textOf(file: FileInput, given: Partial<CsvDialect>): Promise<JsonText> {
    return { file, encoding: given.encoding ?? (await detectEncoding(file)), limits: this.limits };
  }
}

interface JsonText {
  file: FileInput;
  encoding: Encoding;
  limits: TextLimits;
}

/** One reading of a whole file, or until `rows` were good. `afterEach` gets the bytes just read; false ends the reading. */
async function runPass(
  { file, encoding, limits }: JsonText,
  records: JsonRecords,
  afterEach: (bytes: number) => Promise<boolean>,
  signal?: AbortSignal,
  rows = Infinity,
): Promise<void> {
  const pass = { used: 0, more: true };
  await readText({
    file,
    encoding,
    recordBytes: limits.recordBytes,
    consume: (bytes, last) => (pass.used = records.consume(bytes, last, !isAllStorable(bytes, last), rows)),
    afterEach: async () => (pass.more = await afterEach(pass.used)),
    ...(signal !== undefined && { signal }),
  });
  if (pass.more) records.finish();
}

type RowOrder = Pick<CopyOrder, 'loadId' | 'numbered' | 'reject' | 'refused'>;

class OpenedJson implements OpenedFile {
  readonly columns: readonly LoadColumn[];
  readonly declared = null;
  private lacking: readonly string[] = [];

  constructor(
    private readonly text: JsonText,
    private readonly plan: ReadPlan,
  ) {
    this.columns = plan.columns;
  }

  /** Only what was read tells: nothing before `copyTo`, and nothing of a file without records. */
  missing(): readonly string[] {
    return this.lacking;
  }

  async copyTo(order: CopyOrder): Promise<number> {
    const out = new CopyWriter();
    const { rows, records } = this.pass(order, out);
    const send = async () => {
      if (out.position > 0) await out.sendTo(order.sink);
      return true;
    };
    await runPass(this.text, records, send, order.signal);
    this.lacking = records.written === 0 ? [] : this.columns.filter((_, slot) => !rows.met[slot]).map(sourceOf);
    if (records.written > 0 && this.columns.length > 0 && !rows.met.includes(true)) throw this.nothingInCommon();
    return out.rows;
  }

  /** Reads the records as they were read for the server, up to the one looked for, and throws the rows away. */
  async locate(
    sent: number,
    refused: ReadonlyMap<number, Refusal>,
  ): Promise<{ record: number; line: number | null } | null> {
    const out = new CopyWriter();
    const { records } = this.pass({ loadId: 0n, numbered: false, reject: () => undefined, refused }, out);
    const goOn = () => {
      out.position = 0;
      return Promise.resolve(out.rows < sent);
    };
    await runPass(this.text, records, goOn, undefined, sent);
    return out.rows < sent ? null : { record: records.records, line: records.recordLine };
  }

  close(): void {
    // Nothing is held open between the calls.
  }

  private pass({ loadId, numbered, reject, refused }: RowOrder, out: CopyWriter) {
    const { plan } = this;
    const { file, limits } = this.text;
    const tail = new RowTail({ loadId, numbered, rescues: rescues(plan) });
    const rows = new JsonRows(plan, out, tail, limits.columns);
    return {
      rows,
      records: new JsonRecords(file.path, limits, rows, new BadRows(plan.badRows, reject, refused)),
    };
  }

  private nothingInCommon(): BadFile {
    const expected = this.columns.map(sourceOf).join(', ');
    return new BadFile(
      'schema_mismatch',
      `${this.text.file.path} has none of the fields expected (${expected}). Check that it belongs here.`,
    );
  }
}

function sourceOf({ source }: LoadColumn): string {
  return source;
}
