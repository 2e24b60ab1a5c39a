import { encoderOf, typeName } from '../../copy/column-encoder';
import type { RowTail } from '../../copy/row-tail';
import type { LoadColumn } from '../../column';
import { BadFile, UnknownColumns } from '../../errors';
import type { CsvDialect, ReadPlan } from '../format-reader';
import { validJson } from '../json/valid-json';
import type { CsvField } from './csv-field';

const TEXTS: readonly string[] = ['text', 'character varying', 'character'];

/** Where one field of a file goes: into a column, into `_rescued` or nowhere. */
export interface PlannedField {
  name: string;
  to: LoadColumn | 'rescued' | 'nowhere';
}

/** What becomes of the fields of a file with this header. Raises `BadFile`, `UnknownColumns`. */
export function plannedFields(names: readonly string[], plan: ReadPlan, path: string): PlannedField[] {
  const known = new Map(plan.columns.map((column) => [column.source, column]));
  const unknown = names.filter((name) => !known.has(name));
  if (names.length > 0 && unknown.length === names.length && known.size > 0) throw nothingInCommon(path, names, plan);
  if (unknown.length > 0 && plan.unknown === 'report') throw new UnknownColumns(unknown);
  const other = plan.unknown === 'rescue' ? 'rescued' : 'nowhere';
  return names.map((name) => ({ name, to: known.get(name) ?? other }));
}

/** How these fields are written, in this dialect, in rows with this tail. */
export function writtenFields(
  planned: readonly PlannedField[],
  dialect: CsvDialect,
  plan: ReadPlan,
  tail: RowTail,
): CsvField[] {
  return planned.map(({ name, to }) => {
    if (to === 'nowhere') return passedOver(name);
    const rescue: CsvField['rescue'] = (text, start, end) =>
      tail.rescue(name, JSON.stringify(Buffer.from(text.subarray(start, end)).toString()));
    return to === 'rescued' ? rescued(name, rescue) : written(name, to, dialect, plan, rescue);
  });
}

function passedOver(name: string): CsvField {
  return { name, encode: null, type: 'text', emptyIsText: false, whenNull: 'pass', rescue: null };
}

function rescued(name: string, rescue: NonNullable<CsvField['rescue']>): CsvField {
  const encode: CsvField['encode'] = (_out, text, start, end) => {
    rescue(text, start, end);
    return true;
  };
  return { name, encode, type: 'text', emptyIsText: true, whenNull: 'pass', rescue: null };
}

function written(
  name: string,
  column: LoadColumn,
  dialect: CsvDialect,
  plan: ReadPlan,
  rescue: CsvField['rescue'],
): CsvField {
  const required = column.required === true;
  return {
    name,
    encode: isJson(column) ? validJson(encoderOf(column, dialect)) : encoderOf(column, dialect),
    type: typeName(column),
    emptyIsText: column.cast === undefined && TEXTS.includes(column.type),
    whenNull: required ? 'refuse' : 'write',
    rescue: plan.unfit === 'rescue' && !required ? rescue : null,
  };
}

function isJson({ type }: LoadColumn): boolean {
  return type === 'json' || type === 'jsonb';
}

function nothingInCommon(path: string, names: readonly string[], plan: ReadPlan): BadFile {
  const expected = plan.columns.map(({ source }) => source).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${path} has none of the columns expected (${expected}) but ${names.join(', ')}. Check its header and delimiter.`,
  );
}
