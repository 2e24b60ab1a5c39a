import { TEXT_ENCODERS, type ColumnType } from '@sluice/connectors';
import { refuse } from './refuse';

/** Those that text can be written into, and the one that only binary formats have. */
const TYPES: readonly ColumnType[] = [
  ...(Object.keys(TEXT_ENCODERS) as (keyof typeof TEXT_ENCODERS)[]).filter((type) => type !== 'character'),
  'bytea',
];

/** The names PostgreSQL itself takes for them. */
const ALIASES: Record<string, ColumnType> = {
  bool: 'boolean',
  int2: 'smallint',
  int: 'integer',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float: 'double precision',
  float8: 'double precision',
  double: 'double precision',
  decimal: 'numeric',
  varchar: 'character varying',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  time: 'time without time zone',
};

/** A type as PostgreSQL's catalog names it, from that name or one of its usual aliases. */
export function columnType(path: string, given: string): ColumnType {
  if (typeof given !== 'string') return refuse(path, given, 'is no type', REMEDY);
  const name = given.trim().toLowerCase().replace(/\s+/g, ' ');
  const found = TYPES.find((type) => type === name) ?? (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined);
  return found ?? refuse(path, given, ...whyNot(name));
}

const REMEDY = `Available now: ${TYPES.join(', ')}.`;

function whyNot(name: string): [problem: string, remedy: string] {
  if (name.includes('(')) {
    return ['has a length or precision', 'Name the type alone; make the table yourself where its columns need limits.'];
  }
  if (name === 'char' || name === 'character') {
    return ['holds one character in PostgreSQL', 'Write text or character varying.'];
  }
  return ['is not available', REMEDY];
}
