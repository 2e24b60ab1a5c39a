import {
  DestinationError,
  LOAD_ID,
  type LoadColumn,
  type LoadSession,
  RESCUED,
  type TableChange,
  type TableColumn,
  type TableInfo,
  type TableName,
} from '@sluice/connectors';

/** The table rows go to, as the database has it now. */
export class TargetTable {
  private constructor(
    private readonly session: LoadSession,
    readonly name: TableName,
    private info: TableInfo,
  ) {}

  /** `null`: there is no such table. */
  static async find(session: LoadSession, name: TableName): Promise<TargetTable | null> {
    const info = await session.table(name);
    return info === null ? null : new TargetTable(session, name, info);
  }

  /** Whether Sluice made it. */
  get ours(): boolean {
    return this.info.ours;
  }

  get columnCount(): number {
    return this.info.columns.length;
  }

  has(name: string): boolean {
    return this.column(name) !== undefined;
  }

  column(name: string): TableColumn | undefined {
    return this.info.columns.find((column) => column.name === name);
  }

  /** The column as the table takes it: its own type, whatever the file says. `null`: there is none that can be written faithfully. */
  adapt(column: LoadColumn): LoadColumn | null {
    const found = this.column(column.name);
    if (found === undefined || found.generated || isOwn(found.name) || ROUNDING.has(found.type)) return null;
    const { source, name, fields } = column;
    const kept = { source, name, ...(fields !== undefined && found.encodes === 'jsonb' && { fields }) };
    if (found.encodes === null) return { ...kept, type: 'text', cast: found.type };
    return { ...kept, type: found.encodes, ...(found.modifier !== -1 && { modifier: found.modifier }) };
  }

  async alter(changes: readonly TableChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.session.alter(this.name, changes);
    // Looked up again: another ingestion may have added one of the columns first, with a type of its own.
    this.info = (await this.session.table(this.name)) ?? this.info;
  }

  /** Makes sure of the columns that are Sluice's own, where the table may be altered. */
  async prepareOwnColumns(rescued: boolean, mayAlter: boolean): Promise<void> {
    const wanted = [
      { column: LOAD_ID, type: 'bigint' },
      ...(rescued ? [{ column: RESCUED, type: 'jsonb' } as const] : []),
    ] as const;
    const lacking = wanted.filter(({ column, type }) => this.column(column)?.type !== type);
    const [first] = lacking;
    if (first === undefined) return;
    if (!mayAlter || lacking.some(({ column }) => this.has(column))) throw this.lacksOwn(first);
    await this.alter(lacking.map(({ column, type }) => ({ kind: 'add', column, type })));
  }

  private lacksOwn({ column, type }: { column: string; type: string }): DestinationError {
    const { schema, table } = this.name;
    const remedy = `ALTER TABLE ${schema}.${table} ADD COLUMN ${column} ${type}`;
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} has no column ${column} of type ${type}. Add it with: ${remedy}.`,
      'never',
    );
  }
}

/** The server rounds texts it casts to these without a word. */
const ROUNDING: ReadonlySet<string> = new Set(['money']);

function isOwn(name: string): boolean {
  return name === LOAD_ID || name === RESCUED;
}
