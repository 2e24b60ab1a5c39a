import { BadFile } from '../errors';
import { BadData } from './bad-data';
import { bunzip2 } from './bzip2/bunzip2';
import type { Chunks } from './chunks';
import { gunzip } from './gzip';
import { unzstd } from './zstd/unzstd';

/** What a file's bytes are to be expanded by. */
export type Compression = 'gzip' | 'zstd' | 'bzip2';
export type Packing = Compression | 'zip' | 'none';

/** How many of the first bytes `packingOf` looks at. */
export const MAGIC_BYTES = 10;
const BY_ENDING: Record<string, Packing> = { gz: 'gzip', zst: 'zstd', bz2: 'bzip2', zip: 'zip' };
const EXPANDERS = { gzip: gunzip, zstd: unzstd, bzip2: bunzip2 } as const;

/** The first bytes decide; where they say nothing, the name's ending. */
export function packingOf(head: Buffer, path: string): Packing {
  const ending = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return packingByMagic(head) ?? BY_ENDING[ending] ?? 'none';
}

function packingByMagic(head: Buffer): Packing | null {
  const magic = head.toString('latin1', 0, MAGIC_BYTES);
  if (magic.startsWith('\x1f\x8b')) return 'gzip';
  // A frame of data or one to be skipped.
  if (/^\x28\xb5\x2f\xfd|^[\x50-\x5f]\x2a\x4d\x18/.test(magic)) return 'zstd';
  // "BZh9" alone may be text: its first block begins with the digits of pi, an empty file with those of its root.
  if (/^BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)/.test(magic)) return 'bzip2';
  return /^PK(\x03\x04|\x05\x06)/.test(magic) ? 'zip' : null;
}

/** A name without the endings that stand for a compression. */
export function withoutCompression(path: string): string {
  return path.replace(/\.(gz|zst|bz2)$/i, '');
}

/** The expanded bytes, checked by the sums the data carry. Raises `BadFile`, and what `chunks` raises. */
export async function* expanded(chunks: Chunks, compression: Compression, path: string): AsyncGenerator<Buffer> {
  try {
    yield* EXPANDERS[compression](chunks);
  } catch (error) {
    if (!(error instanceof BadData)) throw error;
    throw new BadFile(
      error.type,
      `The ${compression} data of ${path} cannot be read: ${error.reason}. Compress or copy the file again.`,
      {},
      { cause: error },
    );
  }
}
