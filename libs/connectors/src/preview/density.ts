import type { SourceEntry } from '../sources/source';
import type { Reading } from './reading';

const COMPRESSED = /\.(gz|gzip|bz2|zst|zstd|zip)$/i;

/** Rows for each byte of the files as the source tells them. */
export class Density {
  private rows = 0;
  private bytes = 0;

  add(entry: SourceEntry, { rows, read, whole }: Reading): void {
    // Of a compressed file read in part nobody knows which share of it that was.
    const bytes = whole ? entry.bytes : COMPRESSED.test(entry.path) ? 0 : Math.min(read, entry.bytes);
    if (bytes === 0) return;
    this.rows += rows;
    this.bytes += bytes;
  }

  estimate(bytes: number): number | null {
    return this.bytes === 0 ? null : Math.round((this.rows / this.bytes) * bytes);
  }
}
