import type { ParquetColumn, Pair } from './parquet-column';
import { keptFraction } from '../../copy/column-encoder';
import type { ColumnType, LoadColumn } from '../../column';
import { quoted } from '../../duckdb';
import type { InferredColumn } from '../format-reader';
import { decimalText, hasNoWholeDigit, nestedJson, scalarJson } from './exact-json';
import { anyKeyTwice, anyWithin } from './duckdb-types';
import { vectorTypeOf } from './vector-types';

/** DuckDB's type -> PostgreSQL's. */
export const PARQUET_TYPES: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'smallint',
  UTINYINT: 'smallint',
  SMALLINT: 'smallint',
  USMALLINT: 'integer',
  INTEGER: 'integer',
  UINTEGER: 'bigint',
  BIGINT: 'bigint',
  UBIGINT: 'numeric',
  HUGEINT: 'numeric',
  UHUGEINT: 'numeric',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  DATE: 'date',
  TIME: 'time without time zone',
  TIME_NS: 'time without time zone',
  TIMESTAMP: 'timestamp without time zone',
  TIMESTAMP_S: 'timestamp without time zone',
  TIMESTAMP_MS: 'timestamp without time zone',
  TIMESTAMP_NS: 'timestamp without time zone',
  'TIMESTAMP WITH TIME ZONE': 'timestamp with time zone',
  BLOB: 'bytea',
  UUID: 'uuid',
  JSON: 'jsonb',
};

/** The PostgreSQL type that holds every value of a Parquet column; text for what has no twin (intervals, enums, bits). */
export function postgresTypeOf({ type, parsed }: Pick<ParquetColumn, 'type' | 'parsed'>): ColumnType {
  if (parsed.kind !== 'scalar') return 'jsonb';
  return type.startsWith('DECIMAL') ? 'numeric' : (PARQUET_TYPES[type] ?? 'text');
}

export function inferredColumn(column: ParquetColumn): InferredColumn {
  return {
    source: column.source,
    type: postgresTypeOf(column),
    why: `The file declares ${column.declared}.`,
    ...(column.parsed.kind !== 'scalar' && { fields: column.fields }),
  };
}

/** What is selected for one column. */
export function valueOf(pair: Pair): string {
  const { source, target } = pair;
  const name = quoted(source.name);
  if (source.parsed.kind !== 'scalar') return asJson(source);
  const wanted = vectorTypeOf(source.type, target).duckDbType;
  if (source.type === wanted) return name;
  if (isJson(target) && !isText(source.type)) return asJson(source);
  return wanted === 'VARCHAR' && hasNoWholeDigit(source.type)
    ? decimalText(source.type, name)
    : `TRY_CAST(${name} AS ${wanted})`;
}

/** The value as JSON, as exact as it is; what JSON has no number for (NaN, infinity) is a string. `null` when there is none. */
export function asJson({ name: plain, type, parsed }: ParquetColumn): string {
  const name = quoted(plain);
  return parsed.kind === 'scalar' ? scalarJson(type, name) : nestedJson(parsed, name);
}

/** Likewise, but valid JSON in any case: a nested value with something that JSON has no number for becomes the text that DuckDB shows of it. */
export function rescuedJson(column: ParquetColumn): string {
  const name = quoted(column.name);
  const odd = anyWithin(column.parsed, name, notFinite);
  if (column.parsed.kind === 'scalar' || odd === null) return asJson(column);
  return `CASE WHEN ${odd} THEN to_json(${name}::VARCHAR)::VARCHAR ELSE ${asJson(column)} END`;
}

function notFinite(type: string, value: string): string | null {
  return /^(FLOAT|DOUBLE)$/.test(type) ? `NOT isfinite(${value})` : null;
}

function holdsNul(type: string, value: string): string | null {
  return type === 'VARCHAR' ? `contains(${value}, chr(0))` : null;
}

/** For a person. */
export function shownText({ name, rest }: ParquetColumn, maxChars: number): string {
  const text = `left(${quoted(name)}::VARCHAR, ${maxChars})`;
  return rest === null
    ? text
    : `${text} || CASE WHEN ${quoted(rest)} <> 0 THEN ' and ' || ${quoted(rest)} || ' ns' ELSE '' END`;
}

/** Likewise of a value that has become text already. */
export function jsonOfText({ type, parsed }: ParquetColumn, text: string): string {
  const isNumber = /^(DECIMAL|FLOAT|DOUBLE|U?(TINY|SMALL|BIG|HUGE)?INT)/.test(type) && /^-?\d/.test(text);
  return parsed.kind !== 'scalar' || isNumber ? text : JSON.stringify(text);
}

/** When the column cannot hold the value unchanged, as far as SQL can tell; `null`: it always can. */
export function unfitWhen(pair: Pair): string | null {
  const { source, target } = pair;
  const tests = source.parsed.kind === 'scalar' ? scalarTests(pair) : nestedTests(source, target);
  return tests.length === 0 ? null : `(${quoted(source.name)} IS NOT NULL AND (${tests.join(' OR ')}))`;
}

/** When PostgreSQL can keep the value nowhere, not even as JSON: it holds a NUL character, or came without its nanoseconds. */
export function unstorableWhen({ name, parsed, rest }: ParquetColumn): string | null {
  return rest === null ? anyWithin(parsed, quoted(name), holdsNul) : `${quoted(rest)} <> 0`;
}

function scalarTests(pair: Pair): string[] {
  const { source, target } = pair;
  const [name, value] = [quoted(source.name), valueOf(pair)];
  const tests: string[] = [];
  if (isText(source.type)) tests.push(`contains(${name}, chr(0))`);
  if (source.rest !== null) tests.push(`${quoted(source.rest)} <> 0`);
  if (/^(DATE|TIMESTAMP)/.test(source.type)) tests.push(`NOT isfinite(${name})`);
  if (/^(FLOAT|DOUBLE)$/.test(source.type) && (target.type === 'numeric' || isJson(target)))
    tests.push(`NOT isfinite(${name})`);
  if (isZoned(source.type) !== isZoned(target.type) && isMoment(source.type) && isMoment(target.type))
    tests.push('true');
  const kept = keptFraction(target);
  if (kept !== null) tests.push(`epoch_us(${value}) % ${10 ** (6 - kept)} <> 0`);
  if (isText(source.type) && isJson(target)) tests.push(`NOT json_valid(${name}::VARCHAR)`);
  if (!keepsAll(source, target)) tests.push(`TRY_CAST(${value} AS ${source.type}) IS DISTINCT FROM ${name}`);
  return tests;
}

function nestedTests(source: ParquetColumn, target: LoadColumn): string[] {
  if (!isJson(target)) return ['text', 'character varying'].includes(target.type) ? [] : ['true'];
  const name = quoted(source.name);
  const tests = [anyWithin(source.parsed, name, (type, value) => notFinite(type, value) ?? holdsNul(type, value))];
  return [...tests, anyKeyTwice(source.parsed, name)].filter((test) => test !== null);
}

/** A moment with a zone and one without are two things; which zone was meant must not be guessed. */
function isZoned(type: string): boolean {
  return /with time zone/i.test(type);
}

function isMoment(type: string): boolean {
  return /^(date|timestamp)/i.test(type);
}

function isText(type: string): boolean {
  return type === 'VARCHAR' || type === 'JSON';
}

function isJson({ type }: LoadColumn): boolean {
  return type === 'json' || type === 'jsonb';
}

/** Every value survives: the very type, its natural twin, or text. Nanoseconds do not survive as microseconds. */
function keepsAll(source: ParquetColumn, target: LoadColumn): boolean {
  if (isJson(target) || ['text', 'character varying'].includes(target.type)) return true;
  return target.type === postgresTypeOf(source) && !source.type.endsWith('_NS');
}
