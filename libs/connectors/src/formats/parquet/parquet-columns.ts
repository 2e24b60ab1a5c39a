import { pathLiteral } from '../../duckdb';
import { keptFraction } from '../../copy/column-encoder';
import type { ColumnType, LoadColumn } from '../../column';
import { VECTOR_TYPES } from './vector-columns';

/** A column as DuckDB describes it. */
export interface ParquetColumn {
  name: string;
  /** DuckDB's type, e.g. `DECIMAL(10,2)` or `STRUCT(a INTEGER)`. */
  type: string;
}

const EXACT: Record<string, ColumnType> = {
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
export function postgresTypeOf(type: string): ColumnType {
  if (type.startsWith('DECIMAL')) return 'numeric';
  if (isNested(type)) return 'jsonb';
  return EXACT[type] ?? 'text';
}

function isNested(type: string): boolean {
  return type.endsWith(']') || /^(STRUCT|MAP|UNION)\(/.test(type);
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What is selected for one column, and when a value of it cannot be stored unchanged (`null`: always can). */
export function expressions(source: ParquetColumn, target: LoadColumn): { value: string; unfit: string | null } {
  const name = quoted(source.name);
  const wanted = VECTOR_TYPES[target.type].duckDbType;
  if (isNested(source.type))
    return {
      value: `to_json(${name})::VARCHAR`,
      unfit: target.type === 'jsonb' || wanted === 'VARCHAR' ? null : `${name} IS NOT NULL`,
    };
  const value = `TRY_CAST(${name} AS ${wanted})`;
  return { value: source.type === wanted ? name : value, unfit: unfitWhen(source, target, name, value) };
}

function unfitWhen(source: ParquetColumn, target: LoadColumn, name: string, value: string): string | null {
  const tests: string[] = [];
  if (/^(DATE|TIMESTAMP)/.test(source.type)) tests.push(`NOT isfinite(${name})`);
  if (target.type === 'numeric' && /^(FLOAT|DOUBLE)$/.test(source.type)) tests.push(`NOT isfinite(${name})`);
  if (isZoned(source.type) !== isZoned(target.type) && isMoment(source.type) && isMoment(target.type))
    tests.push('true');
  const kept = keptFraction(target);
  if (kept !== null) tests.push(`epoch_us(${value}) % ${10 ** (6 - kept)} <> 0`);
  if (!keepsAll(source, target)) tests.push(`TRY_CAST(${value} AS ${source.type}) IS DISTINCT FROM ${name}`);
  return tests.length === 0 ? null : `(${name} IS NOT NULL AND (${tests.join(' OR ')}))`;
}

/** A moment with a zone and one without are two things; which zone was meant must not be guessed. */
function isZoned(type: string): boolean {
  return /with time zone/i.test(type);
}

function isMoment(type: string): boolean {
  return /^(date|timestamp)/i.test(type);
}

/** Every value survives: the very type, its natural twin, or text. Nanoseconds do not survive as microseconds. */
function keepsAll(source: ParquetColumn, target: LoadColumn): boolean {
  if (source.type === 'TIMESTAMP_NS') return false;
  return target.type === postgresTypeOf(source.type) || ['text', 'character varying'].includes(target.type);
}

/** `read_parquet` of exactly one file: folders named `a=b` are no columns of it. */
export function tableOf(path: string): string {
  return `read_parquet(${pathLiteral(path)}, hive_partitioning=false)`;
}
