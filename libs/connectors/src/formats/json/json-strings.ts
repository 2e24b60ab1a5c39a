const BACKSLASH = 0x5c;
const SMALLEST_BYTES = 4096;

/** What the escapes of one letter stand for, by that letter. */
const LETTERS = new Uint8Array(128);
for (const [letter, meaning] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}))
  LETTERS[letter.charCodeAt(0)] = meaning.charCodeAt(0);

/** Gives JSON strings back without their escapes, into one buffer that is used again for each. */
export class JsonStrings {
  plain: Uint8Array = new Uint8Array(SMALLEST_BYTES);

  /**
   * Writes the valid string `start..end` (with its quotes) from the beginning of `plain` and returns its length there. -1: half of a surrogate
   * pair stands alone in it, which UTF-8 cannot say.
   */
  unescape(bytes: Uint8Array, start: number, end: number): number {
    if (end - start > this.plain.length) this.plain = new Uint8Array((end - start) * 2);
    const { plain } = this;
    let length = 0;
    for (let i = start + 1; i < end - 1; i++) {
      let byte = bytes[i] as number;
      if (byte === BACKSLASH) {
        byte = LETTERS[bytes[++i] as number] as number;
        if (byte === 0) return this.decode(bytes, start, end);
      }
      plain[length++] = byte;
    }
    return length;
  }

  /** For strings with `\u`: seldom, and not shorter than what they stand for. */
  private decode(bytes: Uint8Array, start: number, end: number): number {
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    const text = JSON.parse(raw.toString()) as string;
    if (/\p{Surrogate}/u.test(text)) return -1;
    return Buffer.from(this.plain.buffer).write(text);
  }
}
