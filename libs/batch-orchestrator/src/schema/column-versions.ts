import type { CsvDialect } from '@sluice/connectors';
import type { ColumnRecord, RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { isKnownAs, type KnownColumn } from './differences';
import type { Hints } from './hints';
import { keyNames } from './merge-keys';
import { Renewal } from './renewal';

/** The columns of one ingestion as they are now, kept as numbered versions. */
export class ColumnVersions {
  columns: KnownColumn[] = [];
  dialect: CsvDialect | null = null;
  /** What becomes of `columns` when the table that is built anew is in its place. */
  renewal = Renewal.NONE;
  /** The number of the newest version; 0: there is none. */
  newest = 0;

  constructor(
    private readonly order: RunningOrder,
    private readonly hints: Hints,
    private readonly recorder: RunRecorder,
  ) {}

  /** Nothing is known of the columns yet: the first file that has any decides. */
  get initial(): boolean {
    return this.columns.length === 0;
  }

  /** The columns of the table that rows are written to. */
  get target(): KnownColumn[] {
    return this.renewal.applied(this.columns);
  }

  get keys(): string[] {
    const { write_mode, merge_keys } = this.order.destination;
    return write_mode === 'merge' && !this.initial ? keyNames(merge_keys, this.target) : [];
  }

  /** What the person says of the dialect goes before what was found out. */
  dialectWith(given: Partial<CsvDialect>): Partial<CsvDialect> {
    return { ...this.dialect, ...given };
  }

  /** A column by its source name, or a nested field of one as readers name it. */
  knows(name: string): boolean {
    return this.columns.some((column) => isKnownAs(column, name));
  }

  /** `null`: no version was kept yet. */
  async recorded(): Promise<KnownColumn[] | null> {
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null) return null;
    this.newest = known.version;
    this.dialect = known.dialect as CsvDialect | null;
    return known.columns.map((column) => this.hints.known(column));
  }

  /** As the next version. */
  async keep(changes: readonly SchemaChange[], file: string): Promise<void> {
    await this.recorder.addSchemaVersion(this.order.id, {
      after: this.newest,
      columns: this.columns.map(recordOf),
      changes: [...changes],
      dialect: this.dialect === null ? null : { ...this.dialect },
      file,
    });
    this.newest++;
  }
}

function recordOf({ source, name, type, cast, fields, locked, asked }: KnownColumn): ColumnRecord {
  const kept = { source, name, type: cast ?? type };
  return { ...kept, ...(fields && { fields: [...fields] }), ...(locked && { locked }), ...(asked && { asked }) };
}
