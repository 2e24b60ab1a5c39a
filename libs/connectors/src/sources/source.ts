import type { FileInput } from '../formats/format-reader';

/** One thing a source offers. */
export interface SourceEntry {
  /** Path as the ledger knows it: relative to the source, with `/`, at most 2,000 bytes. */
  path: string;
  bytes: number;
  /** Two equal fingerprints of one path prove that it is unchanged; different ones prove nothing. */
  fingerprint: string;
  /** Milliseconds since 1970, as the source tells it; only to choose what a run looks at. `null`: the source does not know. */
  modifiedAt: number | null;
}

/** An entry opened for reading. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  /**
   * What is to be read, in this order: the file itself, or the members of a zip archive by name (folders, and names beginning with `.` or
   * `__MACOSX/`, do not count). Raises `BadFile` for a broken, encrypted or too large archive.
   */
  parts(): Promise<readonly FileInput[]>;
  /** The file version: a hash of exactly the bytes read last, or of the bytes there are when none were read to their end. */
  version(): Promise<string>;
  /** Raises `BadFile` (`changed`, later) when the entry is no longer what the listing saw. */
  assertUnchanged(): Promise<void>;
  /** Removes what was spooled. Never raises. */
  close(): Promise<void>;
}

/**
 * Where files lie. One instance serves one run.
 * A source lists each path once, in any order, and never holds the listing in memory.
 */
export abstract class Source {
  /** Raises `SourceError` when the source as a whole cannot be read. */
  abstract list(signal: AbortSignal): AsyncIterable<SourceEntry>;
  /** Raises `BadFile` when this entry may not or cannot be read. */
  abstract open(entry: SourceEntry): Promise<SourceFile>;
}
