import type { LoadColumn } from '../column';
import { BadFile, UnknownColumns } from '../errors';
import type { ReadPlan } from './format-reader';

/** A column as a file itself declares it. */
export interface DeclaredColumn {
  source: string;
  /** The nested fields it declares, as in `InferredColumn`; none for what is not nested. */
  fields: readonly string[];
}

/** A column of the file and where it goes. */
export interface Match<T extends DeclaredColumn> {
  source: T;
  target: LoadColumn;
}

/** The columns of a file that the plan wants, in the file's order. Raises `BadFile` and `UnknownColumns`. */
export function matched<T extends DeclaredColumn>(path: string, found: readonly T[], plan: ReadPlan): Match<T>[] {
  const known = new Map(plan.columns.map((column) => [column.source, column]));
  const matches = found.flatMap((source) => {
    const target = known.get(source.source);
    return target === undefined ? [] : [{ source, target }];
  });
  if (matches.length === 0 && found.length > 0 && known.size > 0) throw nothingInCommon(path, found, plan);
  if (plan.unknown === 'report') assertKnown(found, known);
  return matches;
}

/** Source names of the plan's columns that the file does not declare. */
export function missingOf(found: readonly DeclaredColumn[], plan: Pick<ReadPlan, 'columns'>): string[] {
  const names = new Set(found.map(({ source }) => source));
  return plan.columns.map(({ source }) => source).filter((source) => !names.has(source));
}

/** A row without a merge key cannot be merged, and none of a file without the column would have one. */
export function requireKeys(path: string, found: readonly DeclaredColumn[], plan: Pick<ReadPlan, 'columns'>): void {
  const columns = plan.columns.filter(({ required }) => required === true);
  const missing = missingOf(found, { columns });
  if (missing.length > 0)
    throw new BadFile(
      'schema_mismatch',
      `${path} lacks what rows are merged by: ${missing.join(', ')}. Add it to the file.`,
    );
}

function assertKnown(found: readonly DeclaredColumn[], known: ReadonlyMap<string, LoadColumn>): void {
  const unknown = found.flatMap(({ source, fields }) => {
    const column = known.get(source);
    if (column === undefined) return [source];
    const before = column.fields;
    return before === undefined ? [] : fields.filter((field) => !before.includes(field)).map((f) => under(source, f));
  });
  if (unknown.length > 0) throw new UnknownColumns(unknown);
}

function under(source: string, field: string): string {
  return field.startsWith('[') ? `${source}${field}` : `${source}.${field}`;
}

function nothingInCommon(path: string, found: readonly DeclaredColumn[], plan: ReadPlan): BadFile {
  const names = (columns: readonly { source: string }[]) => columns.map(({ source }) => source).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${path} has none of the columns expected (${names(plan.columns)}) but ${names(found)}. Check that it belongs here.`,
  );
}
