import { literal } from '../../duckdb';
import { type DuckDbType, unusedName } from './duckdb-types';

/**
 * DuckDB's own `to_json` writes decimals without a digit before the point (`DECIMAL(2,2)`) as `.50` within nested values, which is no JSON, and numbers
 * in embedded JSON as doubles. Nested values with either are put together here from their parts.
 */
export function nestedJson(type: DuckDbType, value: string): string {
  return isInexact(type) ? jsonOf(type, value) : `to_json(${value})::VARCHAR`;
}

/** The value of a type without parts as JSON. What JSON has no number for (NaN, infinity) is a string, and so is an embedded text that is no JSON. */
export function scalarJson(type: string, value: string): string {
  if (type.startsWith('DECIMAL')) return decimalText(type, value);
  if (/^U?(TINY|SMALL|BIG|HUGE)?INT/.test(type)) return `${value}::VARCHAR`;
  if (/^(FLOAT|DOUBLE)$/.test(type))
    return `CASE WHEN isfinite(${value}) THEN ${value}::VARCHAR ELSE to_json(${value}::VARCHAR)::VARCHAR END`;
  if (type === 'JSON')
    return `CASE WHEN json_valid(${value}::VARCHAR) THEN ${value}::VARCHAR ELSE to_json(${value}::VARCHAR)::VARCHAR END`;
  return `to_json(${value})::VARCHAR`;
}

/** A decimal as text, with the zero before the point that DuckDB leaves out where the type has no digit there. */
export function decimalText(type: string, value: string): string {
  return hasNoWholeDigit(type) ? `regexp_replace(${value}::VARCHAR, '^(-?)[.]', '\\10.')` : `${value}::VARCHAR`;
}

export function hasNoWholeDigit(type: string): boolean {
  return /^DECIMAL\((\d+),\1\)$/.test(type);
}

function isInexact(type: DuckDbType): boolean {
  if (type.kind === 'scalar') return type.name === 'JSON' || hasNoWholeDigit(type.name);
  if (type.kind === 'list') return isInexact(type.item);
  return type.kind === 'map' ? isInexact(type.value) : type.fields.some((field) => isInexact(field.type));
}

/** NULL for NULL. */
function jsonOf(type: DuckDbType, value: string): string {
  if (type.kind === 'scalar') return scalarJson(type.name, value);
  if (!isInexact(type)) return nestedJson(type, value);
  const parts =
    type.kind === 'struct'
      ? [
          literal('{'),
          `concat_ws(',', ${type.fields.map((field) => member(field.name, partJson(field.type, `struct_extract(${value}, ${literal(field.name)})`))).join(', ')})`,
          literal('}'),
        ]
      : type.kind === 'list'
        ? [literal('['), joined(value, (item) => partJson(type.item, item)), literal(']')]
        : [literal('{'), joined(`map_entries(${value})`, (item) => entry(type.value, item)), literal('}')];
  return `CASE WHEN ${value} IS NULL THEN NULL ELSE ${parts.join(' || ')} END`;
}

function partJson(type: DuckDbType, value: string): string {
  return `coalesce(${jsonOf(type, value)}, 'null')`;
}

function member(name: string, json: string): string {
  return `${literal(`${JSON.stringify(name)}:`)} || ${json}`;
}

function entry(type: DuckDbType, item: string): string {
  return `to_json(struct_extract(${item}, 'key')::VARCHAR)::VARCHAR || ':' || ${partJson(type, `struct_extract(${item}, 'value')`)}`;
}

function joined(list: string, part: (item: string) => string): string {
  const item = unusedName(list);
  return `array_to_string(list_transform(${list}, lambda ${item}: ${part(item)}), ',')`;
}
