import { isAscii } from 'node:buffer';
import { Readable } from 'node:stream';
import { getDecoder } from 'iconv-lite';
import { BadFile } from '../errors';
import { withHead } from '../expansion/with-head';
import type { Encoding, FileInput } from './format-reader';
import { LineCounter } from './line-counter';
import { looksLikeUtf16, markOf } from './marks';

/** As much as is looked at for the encoding. */
const SAMPLE_BYTES = 64 * 1024;
const MARK_BYTES = 4;

/**
 * What the first bytes say: UTF-8 and UTF-16 by their byte order mark, UTF-16 without one only where it cannot be anything else. Else
 * UTF-8: whether it is valid shows when all of it is read. Windows-1252 is never guessed, for a guess could change values.
 */
export async function detectEncoding(file: FileInput): Promise<Encoding> {
  const { head, all } = await withHead(file.open() as AsyncIterable<Buffer>, SAMPLE_BYTES);
  await close(all);
  return markOf(head, file.path)?.encoding ?? looksLikeUtf16(head.subarray(0, SAMPLE_BYTES)) ?? 'utf-8';
}

/**
 * The text as UTF-8 without a byte order mark. UTF-8 passes as it is, valid or not; of the others, what has no meaning (undefined bytes,
 * half characters) is a `BadFile` with its line. A mark of another encoding than `encoding` is one too.
 */
export function openText(file: FileInput, encoding: Encoding): Readable {
  return Readable.from(text(file, encoding), { highWaterMark: 1 });
}

async function* text(file: FileInput, encoding: Encoding): AsyncGenerator<Buffer> {
  const chunks = await unmarked(file, encoding);
  if (encoding === 'utf-8') yield* chunks;
  else yield* transcoded(chunks, encoding, file.path);
}

async function unmarked(file: FileInput, encoding: Encoding): Promise<AsyncGenerator<Buffer>> {
  const { head, all } = await withHead(file.open() as AsyncIterable<Buffer>, MARK_BYTES);
  try {
    const mark = markOf(head, file.path);
    if (mark === null) return all;
    if (mark.encoding === encoding) return withoutFirst(all, mark.bytes);
    throw otherMark(file.path, mark.encoding, encoding);
  } catch (error) {
    await close(all);
    throw error;
  }
}

function otherMark(path: string, marked: Encoding, encoding: Encoding): BadFile {
  return new BadFile(
    'malformed',
    `${path} begins with the byte order mark of ${marked} but is read as ${encoding}. Set format.options.encoding to ${marked}, or save the file as ${encoding}.`,
  );
}

async function* withoutFirst(chunks: AsyncGenerator<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const chunk of chunks) {
    const rest = chunk.subarray(left);
    left = 0;
    if (rest.length > 0) yield rest;
  }
}

/** Closes what may not have been begun: such a generator ends without its `finally`. */
async function close(chunks: AsyncGenerator<Buffer>): Promise<void> {
  await chunks.next().catch(() => undefined);
  await chunks.return(undefined);
}

async function* transcoded(chunks: AsyncGenerator<Buffer>, encoding: Encoding, path: string): AsyncGenerator<Buffer> {
  const transcoder = encoding.startsWith('utf-16') ? new Utf16(encoding, path) : new SingleBytes(encoding, path);
  for await (const chunk of chunks) {
    const utf8 = transcoder.take(chunk);
    if (utf8.length > 0) yield utf8;
  }
  transcoder.end();
}

/** Windows-1252 and ISO-8859-1. */
class SingleBytes {
  private readonly decoder;
  private readonly lines = new LineCounter();

  constructor(
    private readonly encoding: Encoding,
    private readonly path: string,
  ) {
    this.decoder = getDecoder(encoding);
  }

  take(bytes: Buffer): Buffer {
    if (isAscii(bytes)) return this.lines.count(bytes);
    const text = this.decoder.write(bytes);
    const bad = text.indexOf('\ufffd');
    if (bad >= 0) throw this.undefinedByte(bytes, bad);
    return this.lines.count(Buffer.from(text));
  }

  end(): void {
    // Every byte is a character of its own: none is left over.
  }

  private undefinedByte(bytes: Buffer, at: number): BadFile {
    const line = this.lines.lineAfter(bytes.subarray(0, at));
    const hex = `0x${bytes.readUInt8(at).toString(16).toUpperCase()}`;
    return new BadFile(
      'malformed',
      `Line ${line} of ${this.path} holds the byte ${hex}, which ${this.encoding} does not define. Correct it or set format.options.encoding.`,
      { line },
    );
  }
}

/** Either order. */
class Utf16 {
  private readonly decoder;
  private readonly lines = new LineCounter();
  private isOdd = false;
  /** The first half of a pair that the chunk's end has cut. */
  private half = '';

  constructor(
    private readonly encoding: Encoding,
    private readonly path: string,
  ) {
    this.decoder = getDecoder(encoding, { stripBOM: false });
  }

  take(bytes: Buffer): Buffer {
    if (bytes.length % 2 === 1) this.isOdd = !this.isOdd;
    return this.encode(this.half + this.decoder.write(bytes), true);
  }

  end(): void {
    this.encode(this.half + (this.decoder.end() ?? ''), false);
    if (this.isOdd) throw this.broken('ends in the middle of a character', this.lines.line);
  }

  private encode(text: string, goesOn: boolean): Buffer {
    const isCut = goesOn && /[\ud800-\udbff]$/.test(text.slice(-1));
    this.half = isCut ? text.slice(-1) : '';
    const whole = isCut ? text.slice(0, -1) : text;
    const bad = whole.search(/[\ud800-\udfff]/u);
    if (bad >= 0) throw this.broken('holds half a character', this.lines.lineAfter(Buffer.from(whole.slice(0, bad))));
    return this.lines.count(Buffer.from(whole));
  }

  private broken(what: string, line: number): BadFile {
    const reason = `Line ${line} of ${this.path} ${what} of ${this.encoding}.`;
    return new BadFile('malformed', `${reason} Save the file again, or set format.options.encoding.`, { line });
  }
}
