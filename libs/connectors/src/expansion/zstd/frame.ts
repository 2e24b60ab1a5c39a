import { BadData } from '../bad-data';
import type { ByteReader } from '../byte-reader';

const MIB = 1024 * 1024;
/** What a decoder has to keep in memory: the size that RFC 8878 asks encoders to stay below and decoders to support. */
const MAX_WINDOW = 8 * MIB;

/** What a frame says of itself (RFC 8878, 3.1.1.1). */
export interface Frame {
  /** The bytes as they were read, from the magic number on. */
  header: Buffer;
  /** Its expanded size; `null`: not said. */
  contentBytes: number | null;
  hasChecksum: boolean;
}

/** Reads a header of which the magic number has been taken already. */
export async function readFrame(magic: Buffer, reader: ByteReader): Promise<Frame> {
  const first = await reader.take(1);
  const descriptor = first.readUInt8();
  const isSingle = (descriptor & 0x20) !== 0;
  const idBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const rest = await reader.take((isSingle ? 0 : 1) + idBytes + sizeBytes);
  const contentBytes = contentSize(rest.subarray(rest.length - sizeBytes));
  assertNoDictionary(rest.subarray(isSingle ? 0 : 1, rest.length - sizeBytes));
  assertWindow(isSingle ? (contentBytes ?? 0) : windowSize(rest.readUInt8()));
  return { header: Buffer.concat([magic, first, rest]), contentBytes, hasChecksum: (descriptor & 4) !== 0 };
}

function contentSize(bytes: Buffer): number | null {
  if (bytes.length === 0) return null;
  if (bytes.length === 8) return Number(bytes.readBigUInt64LE());
  return bytes.readUIntLE(0, bytes.length) + (bytes.length === 2 ? 256 : 0);
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function assertNoDictionary(id: Buffer): void {
  if (id.some((byte) => byte !== 0)) throw new BadData('it was made with a dictionary, and there is none here');
}

function assertWindow(bytes: number): void {
  if (bytes <= MAX_WINDOW) return;
  const needed = `its window is ${Math.ceil(bytes / MIB)} MiB, and at most ${MAX_WINDOW / MIB} MiB are read`;
  throw new BadData(`${needed} (zstd -19 or less, without --long)`, 'limit');
}
