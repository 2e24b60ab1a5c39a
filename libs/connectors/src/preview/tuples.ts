const NULL = -1;

/**
 * Reads PostgreSQL's binary COPY tuples ("COPY", section "Binary Format") as they come, in pieces that may end anywhere. For columns of text,
 * whose binary form is the text itself.
 */
export class TupleReader {
  private rest = Buffer.alloc(0);

  /** The rows that end in this piece; of each the first `width` fields. */
  *read(piece: Buffer, width: number): Generator<(string | null)[]> {
    const bytes = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    let from = 0;
    for (let end = endOf(bytes, from); end !== null; end = endOf(bytes, from)) {
      yield fieldsOf(bytes, from, width);
      from = end;
    }
    this.rest = Buffer.from(bytes.subarray(from));
  }
}

/** Where the tuple that begins at `from` ends; `null`: not in these bytes. */
function endOf(bytes: Buffer, from: number): number | null {
  if (from + 2 > bytes.length) return null;
  let at = from + 2;
  for (let left = bytes.readInt16BE(from); left > 0; left--) {
    if (at + 4 > bytes.length) return null;
    at += 4 + Math.max(0, bytes.readInt32BE(at));
  }
  return at <= bytes.length ? at : null;
}

function fieldsOf(bytes: Buffer, from: number, width: number): (string | null)[] {
  let at = from + 2;
  return Array.from({ length: width }, () => {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length === NULL) return null;
    at += length;
    return bytes.toString('utf8', at - length, at);
  });
}
