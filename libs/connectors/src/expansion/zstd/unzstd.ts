import { BadData, GOES_ON } from '../bad-data';
import { ByteReader } from '../byte-reader';
import type { Chunks } from '../chunks';
import { ZstdDecoder } from './decoder';
import { type Frame, readFrame } from './frame';

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const CHUNK_BYTES = 1024 * 1024;
const RLE_BLOCK = 1;

/**
 * Zstandard, of one or more frames. The decoder is fed block by block, so that a small piece of the file cannot become a large one of
 * memory, and so that a file that ends between two blocks is known to be cut.
 */
export async function* unzstd(chunks: Chunks): AsyncGenerator<Buffer> {
  const reader = new ByteReader(chunks);
  const decoder = await ZstdDecoder.create();
  try {
    for (let first = true; first || !(await reader.atEnd()); first = false) yield* frame(reader, decoder, first);
    if (decoder.pending > 0) yield decoder.take();
  } finally {
    decoder.close();
    await reader.close();
  }
}

async function* frame(reader: ByteReader, decoder: ZstdDecoder, first: boolean): AsyncGenerator<Buffer> {
  const magic = await reader.take(4);
  const number = magic.readUInt32LE();
  if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) return void (await reader.skip((await reader.take(4)).readUInt32LE()));
  if (number !== MAGIC) throw new BadData(first ? 'it does not begin as zstd does' : GOES_ON);
  yield* content(await readFrame(magic, reader), reader, decoder);
}

async function* content(frame: Frame, reader: ByteReader, decoder: ZstdDecoder): AsyncGenerator<Buffer> {
  let bytes = decoder.push(frame.header);
  for (let last = false; !last;) {
    const head = await reader.take(3);
    const word = head.readUIntLE(0, 3);
    last = (word & 1) === 1;
    const size = ((word >> 1) & 3) === RLE_BLOCK ? 1 : word >> 3;
    bytes += decoder.push(head) + decoder.push(await reader.take(size));
    if (decoder.pending >= CHUNK_BYTES) yield decoder.take();
  }
  if (frame.hasChecksum) bytes += decoder.push(await reader.take(4));
  if (frame.contentBytes !== null && bytes !== frame.contentBytes)
    throw new BadData(`it holds ${bytes} bytes and says ${frame.contentBytes}`);
}
