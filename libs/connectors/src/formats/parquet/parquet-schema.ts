import { nestedFields, parseType } from './duckdb-types';
import type { ParquetColumn } from './parquet-column';

/** DuckDB reads longer ones as floating point. */
const MAX_DECIMAL_DIGITS = 38;

/** What is asked of DuckDB's `parquet_schema`. */
export const SCHEMA_FIELDS = 'name, type, num_children, converted_type, logical_type, precision, scale';

/** What the file's own schema says of a column or a part of one. */
interface Element {
  name: string;
  physical: string | null;
  children: number;
  converted: string | null;
  logical: string | null;
  precision: number;
  scale: number;
}

/** The columns as DuckDB describes them (name, type), with what the file itself says of them. */
export function columnsFrom(
  described: readonly (readonly unknown[])[],
  schema: readonly (readonly unknown[])[],
): ParquetColumn[] {
  const columns = topLevel(schema.map(elementOf));
  const names = columns.map(([column]) => column?.name ?? '');
  return described.map(([given, type], index) => {
    const source = names[index] ?? String(given);
    // Two columns of the very same name can only be told apart as DuckDB does it.
    const own = names.indexOf(source) === index ? source : String(given);
    return columnOf(own, String(given), String(type), columns[index] ?? []);
  });
}

function columnOf(source: string, name: string, described: string, parts: readonly Element[]): ParquetColumn {
  const unreadable = tooPrecise(parts) ?? tooFine(parts);
  const [top] = parts;
  const type = unreadable !== null && parts.length === 1 ? `DECIMAL(${top?.precision},${top?.scale})` : described;
  const parsed = parseType(type);
  const fields = nestedFields(parsed).sort();
  const declared = top === undefined ? type : declaration(top);
  return {
    source,
    name,
    type,
    parsed,
    fields,
    declared,
    unreadable,
    cut: top === undefined ? null : cutOff(top),
    rest: null,
  };
}

function elementOf([name, physical, children, converted, logical, precision, scale]: readonly unknown[]): Element {
  const word = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    name: String(name),
    physical: word(physical),
    children: Number(children ?? 0),
    converted: word(converted),
    logical: word(logical),
    precision: Number(precision ?? 0),
    scale: Number(scale ?? 0),
  };
}

/** The schema lists parents before their children; the first is the root. Each column comes with all its parts. */
function topLevel(schema: readonly Element[]): Element[][] {
  const columns: Element[][] = [];
  for (let at = 1; at < schema.length;) {
    const from = at;
    for (let open = 1; open > 0 && at < schema.length; at++) open += (schema[at] as Element).children - 1;
    columns.push(schema.slice(from, at));
  }
  return columns;
}

/** E.g. `INT64 (TIMESTAMP_MICROS, UTC)`. */
function declaration(element: Element): string {
  const note = noteOf(element);
  if (element.physical === null) return note ?? 'a group of fields';
  return note === null ? element.physical : `${element.physical} (${note})`;
}

function noteOf({ converted, logical, precision, scale }: Element): string | null {
  if (precision > 0) return `DECIMAL(${precision},${scale})`;
  const [, word = null] = /^(\w+)Type\(/.exec(logical ?? '') ?? [];
  const unit = /(?:MILLIS|MICROS|NANOS)=(\w+)Seconds/.exec(logical ?? '')?.[1];
  const named = unit === undefined ? word : `${word}_${unit}s`;
  const note = converted ?? named?.toUpperCase() ?? null;
  return note !== null && isUtc(logical) ? `${note}, UTC` : note;
}

function isUtc(logical: string | null): boolean {
  return /isAdjustedToUTC=1/.test(logical ?? '');
}

/** Which values DuckDB cuts to microseconds without a word. */
function cutOff({ physical, logical }: Element): ParquetColumn['cut'] {
  if (physical === 'INT96') return 'int96';
  return /^Timestamp/.test(logical ?? '') && isUtc(logical) && /NANOS=Nano/.test(logical ?? '') ? 'utc' : null;
}

function tooPrecise(parts: readonly Element[]): string | null {
  const digits = Math.max(0, ...parts.map(({ precision }) => precision));
  if (digits <= MAX_DECIMAL_DIGITS) return null;
  return `decimals of ${digits} digits, of which the reader keeps ${MAX_DECIMAL_DIGITS} at most. Write them with fewer digits or as text`;
}

function tooFine([, ...parts]: readonly Element[]): string | null {
  if (parts.every((part) => cutOff(part) === null)) return null;
  return 'nested moments of nanoseconds, of which the reader keeps microseconds. Write them as microseconds';
}
