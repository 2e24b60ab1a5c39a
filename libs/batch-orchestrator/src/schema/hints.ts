import { columnName, type ColumnType, DestinationError, type InferredColumn, widens } from '@sluice/connectors';
import type { ColumnRecord, SchemaSpec } from '@sluice/ingestion';
import type { KnownColumn } from './differences';
import type { TargetTable } from './target-table';

const GIVEN = 'Given by schema.columns.';
/** What `all_text` has nothing to do to. */
const NEVER_TEXT: ReadonlySet<ColumnType> = new Set<ColumnType>(['text', 'json', 'jsonb']);

/** What the person says of the columns: types by source name, all text, or the columns wholly given. */
export class Hints {
  constructor(private readonly spec: SchemaSpec) {}

  /** The first columns of a table: those found, as the hints want them; with `given` exactly those of the hints. */
  first(inferred: readonly InferredColumn[]): InferredColumn[] {
    if (this.spec.mode === 'infer') return this.applied(inferred);
    return Object.entries(this.spec.columns).map(([source, type]) => ({ source, type, why: GIVEN }));
  }

  applied(inferred: readonly InferredColumn[]): InferredColumn[] {
    return inferred.map((column) => {
      const type = this.given(column.source);
      if (type !== undefined) return { source: column.source, type, why: GIVEN };
      if (!this.spec.all_text || column.type === 'jsonb') return column;
      return { source: column.source, type: 'text', why: 'schema.all_text is set.' };
    });
  }

  /** A column of the newest schema version. */
  known({ source, name, type, fields, locked = false, asked }: ColumnRecord): KnownColumn {
    // Before `asked` was kept, a type given could only be told by its lock.
    const by = asked ?? (locked && !this.spec.locked ? 'columns' : undefined);
    const kept = { source, name, type: type as ColumnType, locked: this.locks(source), asked: by };
    return fields === undefined ? kept : { ...kept, fields };
  }

  /** What decides the type of a column. */
  asked(source: string, type: ColumnType): ColumnRecord['asked'] {
    if (this.given(source) !== undefined) return 'columns';
    return this.spec.all_text && type === 'text' ? 'all_text' : undefined;
  }

  /** Whether other hints than those of now decided the type of a column. */
  outdates({ source, type, asked }: KnownColumn): boolean {
    const given = this.given(source);
    if (given !== undefined) return given !== type;
    return this.spec.all_text ? asked === 'columns' || !NEVER_TEXT.has(type) : asked !== undefined;
  }

  /** The type of a column under the hints of now. `found`: what all files have; a column they lack keeps its type. */
  typeOf({ source, type }: KnownColumn, found: readonly InferredColumn[]): ColumnType {
    return this.given(source) ?? this.applied(found).find((column) => column.source === source)?.type ?? type;
  }

  /** A file may have a column called `constructor`. */
  given(source: string): ColumnType | undefined {
    return Object.hasOwn(this.spec.columns, source) ? this.spec.columns[source] : undefined;
  }

  locks(source: string): boolean {
    return this.spec.locked || this.given(source) !== undefined;
  }

  /** A table that is there may have the very name of the file. */
  nameFor(source: string, taken: ReadonlySet<string>, table: TargetTable | null): string {
    return table?.has(source) === true && !taken.has(source) && !source.startsWith('_')
      ? source
      : columnName(source, taken);
  }

  /** Columns whose type the person has given a wider one since. Raises where the type given would lose values. */
  widenings(columns: readonly KnownColumn[]): { column: string; type: ColumnType }[] {
    return columns.flatMap(({ source, name, type, cast }) => {
      const wanted = this.given(source);
      if (wanted === undefined || wanted === type || cast !== undefined) return [];
      if (widens(type, wanted)) return { column: name, type: wanted };
      throw new DestinationError(
        'schema_mismatch',
        `schema.columns gives ${source} the type ${wanted}, but its column ${name} is ${type}, and a type is only ever widened. ` +
          `Set it to ${type}, or have the table built anew with refresh/full.`,
        'never',
      );
    });
  }
}
