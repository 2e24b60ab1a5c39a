import type { Readable } from 'node:stream';
import type { ColumnType, LoadColumn } from '../column';

/** One file as a format reader gets it. */
export interface FileInput {
  /** Path as the ledger knows it; for messages. */
  path: string;
  compression: 'none' | 'gzip';
  bytes: number;
  /** The raw bytes from the start (still compressed). Each call opens them anew; destroying the stream closes them. */
  open(): Readable;
  /** A local file with the same bytes, for readers that need one. */
  localPath(): Promise<string>;
}

export interface InferredColumn {
  source: string;
  type: ColumnType;
}

/** How a text file is written; fixed with the schema version once it is known. */
export interface CsvDialect {
  delimiter: string;
  quote: string;
  escape: string;
  header: boolean;
  /** Lines before the header or the first row. */
  skip: number;
}

export interface Inference {
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
  /** `report`: a column outside the plan raises `UnknownColumns`; `ignore`: it is left out. */
  unknown: 'report' | 'ignore';
}

/** Takes bytes; resolves when more may come (this is where a slow server slows the reader down). Rejects when the server refuses. */
export type Sink = (bytes: Buffer) => Promise<void>;

/** A file whose beginning has been read. */
export interface OpenedFile {
  /** The columns its rows carry, in the order of the rows. `_load_id` comes after them. */
  readonly columns: readonly LoadColumn[];
  /** Sends all rows as binary COPY tuples (without signature and trailer). Returns their number. Raises `BadFile`, `UnknownColumns`. */
  copyTo(sink: Sink, loadId: bigint, signal: AbortSignal): Promise<number>;
  /** Where the n-th row (from 1) stands, for a row the server refused. */
  lineOf(row: number): Promise<number | null>;
  close(): void;
}

/** Reads one format. All failures of the file itself are `BadFile` with line and column. */
export abstract class FormatReader {
  /** Columns in the order first seen and their types, from at most `budget` bytes of each file. */
  abstract infer(files: readonly FileInput[], given: Partial<CsvDialect>, budget: number): Promise<Inference>;
  abstract open(file: FileInput, plan: ReadPlan): Promise<OpenedFile>;
}
