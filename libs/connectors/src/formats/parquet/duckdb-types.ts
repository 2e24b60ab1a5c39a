import { literal } from '../../duckdb';

/** A type as DuckDB's `DESCRIBE` writes it, read into a tree. */
export type DuckDbType =
  | { kind: 'scalar'; name: string }
  | { kind: 'list'; item: DuckDbType }
  | { kind: 'struct'; fields: readonly { name: string; type: DuckDbType }[] }
  | { kind: 'map'; key: DuckDbType; value: DuckDbType };

/** Reads `STRUCT(a INTEGER, "b c" VARCHAR[])[]` and the like; what has no parts stays a word, e.g. `DECIMAL(10,2)`. */
export function parseType(text: string): DuckDbType {
  const list = /^(.*)\[\d*\]$/s.exec(text);
  if (list !== null) return { kind: 'list', item: parseType(list[1] as string) };
  const [, word, inner = ''] = /^(STRUCT|MAP)\((.*)\)$/s.exec(text) ?? [];
  if (word === 'STRUCT') return { kind: 'struct', fields: topLevelParts(inner).map(parseField) };
  if (word !== 'MAP') return { kind: 'scalar', name: text };
  const [key = '', value = ''] = topLevelParts(inner);
  return { kind: 'map', key: parseType(key), value: parseType(value) };
}

/** Splits at the commas outside of parentheses and quotes. */
function topLevelParts(text: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (const { 0: token, index } of text.matchAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|[(),]/g)) {
    if (token === '(') depth++;
    else if (token === ')') depth--;
    else if (token === ',' && depth === 0) {
      parts.push(text.slice(from, index).trim());
      from = index + 1;
    }
  }
  return [...parts, text.slice(from).trim()];
}

function parseField(text: string): { name: string; type: DuckDbType } {
  const [whole, inQuotes, bare] = /^(?:"((?:[^"]|"")*)"|(\S+))\s+/.exec(text) ?? [''];
  const name = inQuotes === undefined ? (bare ?? '') : inQuotes.replaceAll('""', '"');
  return { name, type: parseType(text.slice(whole.length)) };
}

/** The dotted paths of all fields within a value (`zip`, `items[].sku`, in a list itself `[].sku`). The keys of a map are data, not fields. */
export function nestedFields(type: DuckDbType, path = ''): string[] {
  if (type.kind === 'list') return nestedFields(type.item, `${path}[]`);
  if (type.kind !== 'struct') return [];
  return type.fields.flatMap(({ name, type: inner }) => {
    const at = path === '' ? name : `${path}.${name}`;
    return [at, ...nestedFields(inner, at)];
  });
}

/** A condition in SQL, true where one of the values in `value` meets what `leaf` asks of its type; `null`: none ever can. */
export function anyWithin(
  type: DuckDbType,
  value: string,
  leaf: (type: string, value: string) => string | null,
): string | null {
  if (type.kind === 'scalar') return leaf(type.name, value);
  if (type.kind === 'list') return anyItem(type.item, value, leaf);
  const parts =
    type.kind === 'struct'
      ? type.fields.map((field) => anyWithin(field.type, `struct_extract(${value}, ${literal(field.name)})`, leaf))
      : [anyItem(type.key, `map_keys(${value})`, leaf), anyItem(type.value, `map_values(${value})`, leaf)];
  return either(parts);
}

/** A condition that is true where two keys of a map are the same: JSON would keep only one of them. */
export function anyKeyTwice(type: DuckDbType, value: string): string | null {
  if (type.kind === 'scalar') return null;
  if (type.kind === 'list') return overItems(value, (item) => anyKeyTwice(type.item, item));
  if (type.kind === 'struct')
    return either(type.fields.map((f) => anyKeyTwice(f.type, `struct_extract(${value}, ${literal(f.name)})`)));
  const twice = `len(list_distinct(map_keys(${value}))) <> len(map_keys(${value}))`;
  return either([twice, overItems(`map_values(${value})`, (item) => anyKeyTwice(type.value, item))]);
}

function anyItem(type: DuckDbType, list: string, leaf: (type: string, value: string) => string | null): string | null {
  return overItems(list, (item) => anyWithin(type, item, leaf));
}

function overItems(list: string, condition: (item: string) => string | null): string | null {
  const item = unusedName(list);
  const inner = condition(item);
  return inner === null ? null : `len(list_filter(${list}, lambda ${item}: coalesce(${inner}, false))) > 0`;
}

/** A name for the items of a list that the list itself does not use, for lambdas lie within lambdas. */
export function unusedName(list: string): string {
  const used = [...list.matchAll(/\bx+\b/g)].map(([name]) => name.length);
  return 'x'.repeat(Math.max(0, ...used) + 1);
}

function either(conditions: readonly (string | null)[]): string | null {
  const some = conditions.filter((condition) => condition !== null);
  return some.length === 0 ? null : `(${some.join(' OR ')})`;
}
