import type { Sink } from '../copy/sink';
export type { Sink } from '../copy/sink';
import type { Readable } from 'node:stream';
import type { ColumnType, LoadColumn } from '../column';
import type { LoadErrorType } from '../errors';

/** One readable thing: a file, or one member of an archive. */
export interface FileInput {
  /** For messages: the path as the ledger knows it; of a member `archive.zip!/member.csv`. */
  path: string;
  /** Bytes as the source tells them, still compressed; for budgets and progress. */
  bytes: number;
  /**
   * The expanded bytes from the start. Each call opens them anew; destroying the stream closes them. Raises (as the stream's error)
   * `BadFile`: `malformed` for broken compressed data, `limit` beyond the configured size or ratio, `not_found`, `permission`, `connectivity`.
   */
  open(): Readable;
  /** A local file with the expanded bytes, for readers that need one. Spooled at the first call where there is none; gone with `SourceFile.close`. */
  localPath(): Promise<string>;
}

export interface InferredColumn {
  source: string;
  type: ColumnType;
  /** One sentence for a person: why this type and no narrower one. */
  why: string;
  /** The nested fields seen in a column of JSON, as dotted paths (`address.zip`, `items[].sku`), sorted; absent for all other types. */
  fields?: readonly string[];
}

export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'iso-8859-1'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** How a text file is written; fixed with the schema version once it is known. JSON knows the encoding only. */
export interface CsvDialect {
  delimiter: string;
  /** Empty: there is none, quotes are part of the values. */
  quote: string;
  escape: string;
  header: boolean;
  /** Lines before the header or the first row. */
  skip: number;
  /** Unless it is given, each file's byte order mark decides, else UTF-8; the others are never guessed, for a guess could change values. */
  encoding: Encoding;
  /** Unquoted words that stand for NULL, beside the empty value. Case matters. */
  nulls: readonly string[];
  /** The decimal mark. With `,` the points that group thousands are not taken. */
  decimal: '.' | ',';
  /** Of `YYYY MM DD`, e.g. `DD.MM.YYYY`; `null`: ISO 8601 only. */
  dateFormat: string | null;
  /** Likewise with `HH mm ss` and `SSS` (fraction), e.g. `MM/DD/YYYY HH:mm:ss`; `null`: ISO 8601 only. */
  timestampFormat: string | null;
}

export interface Inference {
  /** In the order first seen. */
  columns: InferredColumn[];
  /** `null` for formats without one. */
  dialect: CsvDialect | null;
}

/** What is known when a file is read. */
export interface ReadPlan {
  columns: readonly LoadColumn[];
  dialect: CsvDialect | null;
  /** What the person said of the dialect; the rest is sniffed where `dialect` is not known. */
  given: Partial<CsvDialect>;
  /**
   * A column (or, where `LoadColumn.fields` are known, a nested field) outside the plan: `report` raises `UnknownColumns`, `ignore` leaves a
   * column out, `rescue` puts its value into `_rescued`. Nested fields are only ever reported: else they stay in their JSON.
   */
  unknown: 'report' | 'ignore' | 'rescue';
  /** A value its column cannot hold unchanged: `refuse` makes its row a bad one; `rescue` writes NULL and puts it into `_rescued` (never for `required`). */
  unfit: 'refuse' | 'rescue';
  /** A bad row (malformed, or with a refused value): `fail` raises the `BadFile`, `reject` hands the row over and goes on. */
  badRows: 'fail' | 'reject';
}

/** `_rescued` stands in the table and in each row sent, between the columns and `_load_id`. */
export function rescues({ unknown, unfit }: Pick<ReadPlan, 'unknown' | 'unfit'>): boolean {
  return unknown === 'rescue' || unfit === 'rescue';
}

/** A row left out. */
export interface Rejection {
  /** Which record of the file it was, from 1, rejected ones counted. */
  record: number;
  /** The line it begins on; `null` for formats without lines. */
  line: number | null;
  column: string | null;
  type: LoadErrorType;
  /** A sentence with the value and the next step, as the `BadFile` would have it. */
  reason: string;
  /** The record as it stands in the file (Parquet and Avro: as JSON), cut after 64 KiB. */
  raw: string;
}

/** What the server said of a row. */
export interface Refusal {
  column: string | null;
  reason: string;
}

/** One reading of a file into a COPY. */
export interface CopyOrder {
  sink: Sink;
  loadId: bigint;
  /** Each row ends with its `_row` (int8, the number of its record), after `_load_id`. */
  numbered: boolean;
  /** Called for each row left out, in the file's order, before the rows sent after it. Must not raise; kept by the caller. */
  reject: (rejection: Rejection) => void;
  /** Records which the server refused at an earlier try, by their number: they are rejected with what it said. */
  refused: ReadonlyMap<number, Refusal>;
  signal: AbortSignal;
}

/** A file whose beginning has been read. */
export interface OpenedFile {
  /** The columns its rows carry, in the order of the rows. After them come `_rescued` (if the plan rescues), `_load_id` and `_row` (if numbered). */
  readonly columns: readonly LoadColumn[];
  /** The columns as the file itself declares them (Parquet, Avro); `null` where only its values tell. */
  readonly declared: readonly InferredColumn[] | null;
  /** Source names of the plan's columns that the file does not have at all. Known at once, but for JSON only after `copyTo`. */
  missing(): readonly string[];
  /** Sends all rows as binary COPY tuples (without signature and trailer). Returns the number of rows sent. Raises `BadFile`, `UnknownColumns`. */
  copyTo(order: CopyOrder): Promise<number>;
  /** Which record, on which line, the n-th row sent (from 1) was, with the same `refused`; for a row the server refused. */
  locate(sent: number, refused: ReadonlyMap<number, Refusal>): Promise<{ record: number; line: number | null } | null>;
  close(): void;
}

/** Reads one format. All failures of the file itself are `BadFile` with line and column. */
export abstract class FormatReader {
  /**
   * Columns in the order first seen and their types, from at most `budget` expanded bytes of each file (Infinity: all of it).
   * A file that cannot be read is passed over: its load tells what is wrong with it.
   */
  abstract infer(files: readonly FileInput[], given: Partial<CsvDialect>, budget: number): Promise<Inference>;
  /** Raises `BadFile`, `UnknownColumns`. */
  abstract open(file: FileInput, plan: ReadPlan): Promise<OpenedFile>;
}
