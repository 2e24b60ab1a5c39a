/** More fields than this have names that are data (`{"2024-01-01": 3, ...}`): then anything may be in the column. */
const MAX_FIELDS = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A place in values of JSON. */
class Place {
  private readonly members = new Map<string, Place>();
  private list: Place | null = null;

  constructor(readonly path: string) {}

  member(raw: string, met: (path: string) => void): Place {
    let place = this.members.get(raw);
    if (place === undefined) {
      const name = JSON.parse(Buffer.from(raw, 'latin1').toString()) as string;
      place = new Place(this.path === '' ? name : `${this.path}.${name}`);
      this.members.set(raw, place);
      met(place.path);
    }
    return place;
  }

  items(): Place {
    return (this.list ??= new Place(`${this.path}[]`));
  }
}

/** The fields met in the objects and lists of one column, as dotted paths (`address.zip`, `items[].sku`; in a list itself `[].sku`). */
export class NestedFields {
  private root = new Place('');
  private readonly found = new Set<string>();
  private overflown = false;
  private readonly known: ReadonlySet<string>;
  private readonly note = (path: string) => {
    if (!this.known.has(path)) this.found.add(path);
  };

  /** `known` fields are not found. */
  constructor(known: readonly string[] = []) {
    this.known = new Set(known);
  }

  /** Those that were not known, sorted. `undefined`: there is no end of them. */
  get fields(): string[] | undefined {
    return this.overflown ? undefined : [...this.found].sort();
  }

  /** Walks over a value, which is valid JSON. No recursion: depth is data. */
  visit(bytes: Uint8Array, start: number, end: number): void {
    if (this.overflown) return;
    const around: { place: Place; isObject: boolean }[] = [];
    let place = this.root;
    let atName = false;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === 0x7b || byte === 0x5b) {
        const isObject = byte === 0x7b;
        if (!isObject) place = place.items();
        around.push({ place, isObject });
        atName = isObject;
      } else if (byte === 0x7d || byte === 0x5d) around.pop();
      else if (byte === 0x2c) {
        const inner = around.at(-1);
        atName = inner?.isObject === true;
        place = inner?.place ?? this.root;
      } else if (byte === QUOTE) {
        const from = i;
        while (bytes[++i] !== QUOTE) if (bytes[i] === BACKSLASH) i++;
        if (!atName) continue;
        place = (around.at(-1)?.place ?? this.root).member(latin1(bytes, from, i + 1), this.note);
        atName = false;
      }
    }
    if (this.found.size > MAX_FIELDS) this.overflow();
  }

  private overflow(): void {
    this.overflown = true;
    this.found.clear();
    this.root = new Place('');
  }
}

/** How a nested field is called where columns are named. */
export function fieldName(source: string, path: string): string {
  return path.startsWith('[') ? `${source}${path}` : `${source}.${path}`;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
