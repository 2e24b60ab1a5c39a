import { THRIFT, type ThriftField, ThriftWalker } from './thrift';

/** Parquet's physical types (parquet.thrift, `Type`), as Thrift writes small numbers. */
const INT96 = 3;
const FIXED_LEN_BYTE_ARRAY_ZIGZAG = 14;
const INT96_BYTES_ZIGZAG = 24;

/** Bytes that take the place of others. */
interface Edit {
  at: number;
  removed: number;
  put: Buffer;
}

/**
 * The footer of a Parquet file, changed so that DuckDB gives the nanoseconds which it cuts off otherwise: moments in UTC are declared as local ones,
 * and INT96 as 12 bytes, which is what they are. Source: apache/parquet-format, parquet.thrift, `FileMetaData`.
 */
export function withNanoseconds(footer: Buffer): Buffer {
  const edits: Edit[] = [];
  const walker = new ThriftWalker(footer);
  walker.struct((field) => {
    if (field.id !== 2 || field.type !== THRIFT.list) return false;
    walker.list(() => editsOfElement(walker, footer, edits));
    return true;
  });
  return applied(footer, edits);
}

/** `SchemaElement`: 1 is the type, 2 the length of a fixed one, 10 the logical type. */
function editsOfElement(walker: ThriftWalker, footer: Buffer, edits: Edit[]): void {
  let int96 = false;
  walker.struct((field) => {
    if (int96) edits.push(typeLength(footer, field));
    int96 = false;
    if (field.id === 1) {
      int96 = walker.number() === INT96;
      if (int96) edits.push({ at: field.at, removed: 1, put: Buffer.from([FIXED_LEN_BYTE_ARRAY_ZIGZAG]) });
      return true;
    }
    if (field.id !== 10) return false;
    walker.struct((logical) => logical.id === 8 && localMoment(walker, footer, edits));
    return true;
  });
}

/** Field 2 goes between the type and the field that follows it, whose header counts from the one before. */
function typeLength(footer: Buffer, next: ThriftField): Edit {
  const header = footer.readUInt8(next.header);
  const put = Buffer.from([0x10 | THRIFT.i32, INT96_BYTES_ZIGZAG, header - 0x10]);
  return { at: next.header, removed: 1, put };
}

/** `TimestampType`: 1 says whether it is in UTC; a field that is true or false has its value in its header. */
function localMoment(walker: ThriftWalker, footer: Buffer, edits: Edit[]): true {
  walker.struct((field) => {
    if (field.id === 1 && field.type === THRIFT.true) {
      const put = Buffer.from([(footer.readUInt8(field.header) & 0xf0) | THRIFT.false]);
      edits.push({ at: field.header, removed: 1, put });
    }
    return false;
  });
  return true;
}

function applied(footer: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.at - b.at)) {
    parts.push(footer.subarray(at, edit.at), edit.put);
    at = edit.at + edit.removed;
  }
  return Buffer.concat([...parts, footer.subarray(at)]);
}
