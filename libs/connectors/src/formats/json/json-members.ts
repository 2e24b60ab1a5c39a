import { type JsonScanner, UNFINISHED } from './json-scanner';

/** Names kept decoded: a file whose names are data has no end of them. */
const MAX_NAMES = 10_000;
/** How many of the members that usually come next may be missing before a name is looked up. */
const SKIPPED = 4;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE = 0x7d;

/** How a value is written. */
export const enum Kind {
  /** The record has no such member. */
  Absent,
  Null,
  /** With its quotes, without any escape. */
  String,
  /** With its quotes, with escapes. */
  Escaped,
  Number,
  Boolean,
  Nested,
}

/** The slot of members that are passed over. */
export const NOWHERE = -1;
/** The slot of members that are told one by one. */
export const ASIDE = -2;

/** What one record holds, by slot: how each value is written and where it stands. */
export interface Spans {
  kinds: Kind[];
  starts: Int32Array;
  ends: Int32Array;
}

export function emptySpans(slots: number): Spans {
  return {
    kinds: new Array<Kind>(slots).fill(Kind.Absent),
    starts: new Int32Array(slots),
    ends: new Int32Array(slots),
  };
}

/** Who knows where members go. */
export interface Slots {
  readonly spans: Spans;
  /** The slot of a name, or `NOWHERE`, or `ASIDE`. Asked seldom: the answer is kept. */
  slotOf(name: string): number;
  /** A member whose slot is `ASIDE`. */
  aside(name: string, kind: Kind, bytes: Uint8Array, start: number, end: number): void;
}

/** A name as it stands in the file, quotes included. */
interface Key {
  raw: Uint8Array;
  name: string;
  slot: number;
  /** The name that last came behind this one. */
  next: Key;
}

/** Finds the members of objects. Records of one file have the same names in the same order, more or less: so they are expected, not read. */
export class JsonMembers {
  /** Stands before the first name. */
  private readonly root: Key;
  private readonly keys = new Map<string, Key>();

  constructor(
    private readonly scanner: JsonScanner,
    private readonly slots: Slots,
  ) {
    this.root = emptyKey();
  }

  /**
   * Notes the members of the object that begins at `at`; a member met twice counts as last written, as in jsonb. Returns the place behind
   * the object, or `UNFINISHED`. One long function on purpose: it runs once per byte.
   */
  scan(bytes: Uint8Array, at: number): number {
    const { scanner, slots } = this;
    const { kinds, starts, ends } = slots.spans;
    const end = bytes.length;
    let key = this.root;
    let i = at + 1;
    if (i < end && (bytes[i] as number) <= 0x20) i = scanner.skipBlanks(bytes, i);
    if (i >= end) return UNFINISHED;
    if (bytes[i] === CLOSE) return i + 1;
    for (;;) {
      const expected = key.next.raw;
      let length = expected.length;
      let same = 0;
      if (i + length < end) while (same < length && bytes[i + same] === expected[same]) same++;
      if (same === length && length > 0) key = key.next;
      else {
        const found = this.find(bytes, i, key);
        if (found === null) return UNFINISHED;
        key = found;
        length = key.raw.length;
      }
      i += length;
      if (i + 1 < end && bytes[i] === COLON && (bytes[i + 1] as number) > 0x20) i++;
      else if ((i = scanner.skipColon(bytes, i)) === UNFINISHED) return UNFINISHED;
      const start = i;
      let byte = bytes[i] as number;
      let kind = Kind.Number;
      if (byte === QUOTE) {
        kind = Kind.String;
        i++;
        while (i < end && (byte = bytes[i] as number) !== QUOTE && byte !== 0x5c && byte >= 0x20) i++;
        if (i < end && byte === QUOTE) i++;
        else {
          i = scanner.skipString(bytes, start);
          kind = Kind.Escaped;
        }
      } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) i = scanner.skipNumber(bytes, i);
      else if (byte === 0x7b || byte === 0x5b) {
        kind = Kind.Nested;
        i = scanner.skipNested(bytes, i);
      } else {
        kind = byte === 0x6e ? Kind.Null : Kind.Boolean;
        i = scanner.skipScalar(bytes, i);
      }
      if (i === UNFINISHED) return UNFINISHED;
      const { slot } = key;
      if (slot >= 0) {
        kinds[slot] = kind;
        starts[slot] = start;
        ends[slot] = i;
      } else if (slot === ASIDE) slots.aside(key.name, kind, bytes, start, i);
      if (i < end && (bytes[i] as number) <= 0x20) i = scanner.skipBlanks(bytes, i);
      if (i >= end) return UNFINISHED;
      byte = bytes[i] as number;
      i++;
      if (byte === CLOSE) return i;
      if (byte !== COMMA) throw scanner.unexpected(bytes, i - 1, '"," or "}"');
      if (i < end && (bytes[i] as number) <= 0x20) i = scanner.skipBlanks(bytes, i);
    }
  }

  /** The key that begins at `at`, where the one expected behind `previous` does not; `null`: it is cut. */
  private find(bytes: Uint8Array, at: number, previous: Key): Key | null {
    let later = previous.next;
    for (let n = 0; n < SKIPPED; n++) {
      later = later.next;
      if (begins(bytes, at, later.raw)) return later;
    }
    const end = this.scanner.skipName(bytes, at);
    if (end === UNFINISHED) return null;
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at);
    const key = this.keys.get(raw.toString('latin1')) ?? this.learn(raw);
    // What cannot be stored is told each time it is met.
    if (this.scanner.fault === null) previous.next = key;
    return key;
  }

  private learn(raw: Buffer): Key {
    const name = JSON.parse(raw.toString()) as string;
    if (/\p{Surrogate}/u.test(name)) this.scanner.unstorable('half of a surrogate pair stands alone in a name');
    const key = { raw: Uint8Array.from(raw), name, slot: this.slots.slotOf(name), next: this.root };
    if (this.scanner.fault !== null) return key;
    if (this.keys.size >= MAX_NAMES) this.keys.clear();
    this.keys.set(raw.toString('latin1'), key);
    return key;
  }
}

function emptyKey(): Key {
  const key: { raw: Uint8Array; name: string; slot: number; next?: Key } = {
    raw: new Uint8Array(0),
    name: '',
    slot: NOWHERE,
  };
  key.next = key as Key;
  return key as Key;
}

function begins(bytes: Uint8Array, at: number, raw: Uint8Array): boolean {
  if (raw.length === 0 || at + raw.length >= bytes.length) return false;
  for (let i = 0; i < raw.length; i++) if (bytes[at + i] !== raw[i]) return false;
  return true;
}
