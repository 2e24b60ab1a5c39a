const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Counts the lines of ASCII-compatible text in pieces; `\n`, `\r` and `\r\n` end one. */
export class LineCounter {
  /** The line that what comes next stands on, from 1. */
  line = 1;
  private afterReturn = false;

  count(bytes: Buffer): Buffer {
    for (const byte of bytes) {
      if (byte === CARRIAGE_RETURN || (byte === LINE_FEED && !this.afterReturn)) this.line++;
      this.afterReturn = byte === CARRIAGE_RETURN;
    }
    return bytes;
  }

  /** The line after `bytes` too. */
  lineAfter(bytes: Buffer): number {
    this.count(bytes);
    return this.line;
  }
}
