/** A field of a struct, met while walking. */
export interface ThriftField {
  id: number;
  type: number;
  /** Where its header begins, and its value. */
  header: number;
  at: number;
}

export const THRIFT = { true: 1, false: 2, i32: 5, list: 9, struct: 12 } as const;

/** Walks over data in Thrift's compact protocol. Source: apache/thrift, doc/specs/thrift-compact-protocol.md. Raises `RangeError` at its end. */
export class ThriftWalker {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Calls `visit` for each field of the struct here; what of a value it does not walk over itself is passed over. */
  struct(visit: (field: ThriftField) => boolean): void {
    for (let id = 0; ;) {
      const header = this.at;
      const byte = this.byte();
      if (byte === 0) return;
      id = byte >> 4 === 0 ? this.number() : id + (byte >> 4);
      const field = { id, type: byte & 15, header, at: this.at };
      if (!visit(field)) this.skip(field.type);
    }
  }

  /** Calls `visit` for each item of the list here, which it must walk over. */
  list(visit: () => void): void {
    const { size } = this.listHeader();
    for (let left = size; left > 0; left--) visit();
  }

  /** A number of any width, within +-2^53. */
  number(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  private skip(type: number): void {
    if (type === 3) this.at += 1;
    else if (type >= 4 && type <= 6) this.varint();
    else if (type === 7) this.at += 8;
    else if (type === 8) this.skipBytes();
    else if (type === 9 || type === 10) this.skipList();
    else if (type === 11) this.skipMap();
    else if (type === 12) this.struct(() => false);
  }

  private skipBytes(): void {
    const size = this.varint();
    this.at += size;
  }

  private skipList(): void {
    const { size, type } = this.listHeader();
    // Truth has a byte of its own in lists.
    for (let left = size; left > 0; left--) this.skip(type <= 2 ? 3 : type);
  }

  private skipMap(): void {
    const size = this.varint();
    const types = size === 0 ? 0 : this.byte();
    for (let left = size; left > 0; left--) {
      this.skip(types >> 4);
      this.skip(types & 15);
    }
  }

  private listHeader(): { size: number; type: number } {
    const byte = this.byte();
    return { size: byte >> 4 === 15 ? this.varint() : byte >> 4, type: byte & 15 };
  }

  private varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  private byte(): number {
    return this.bytes.readUInt8(this.at++);
  }
}
