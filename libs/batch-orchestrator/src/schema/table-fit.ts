import {
  BadFile,
  DestinationError,
  type LoadSession,
  MAX_COLUMNS,
  type TableChange,
  type TableName,
} from '@sluice/connectors';
import type { RunningOrder } from '@sluice/ingestion';
import type { KnownColumn } from './differences';
import { keyNames } from './merge-keys';
import type { Policy } from './policy';
import { TargetTable } from './target-table';

/** Makes an ingestion's columns and the table in the destination fit each other, as far as the policy allows. */
export class TableFit {
  table: TargetTable | null = null;

  constructor(
    private readonly order: RunningOrder,
    private readonly session: LoadSession,
    private readonly policy: Policy,
    private readonly rescued: boolean,
  ) {}

  get name(): TableName {
    const { schema, table } = this.order.destination;
    return { schema, table };
  }

  async find(): Promise<void> {
    this.table = await TargetTable.find(this.session, this.name);
  }

  /** The column with the type it has in the table; `null`: it is not there, or the server alone writes it. */
  fitted(column: KnownColumn): KnownColumn | null {
    const adapted = this.table?.adapt(column) ?? null;
    return adapted === null ? null : { ...adapted, locked: column.locked };
  }

  /**
   * Puts `fresh` columns into the table, which is made with them and the `known` ones if there is none. What the table has keeps its type there.
   * Resolves with those that can be loaded. Raises `BadFile`.
   */
  async settle(known: readonly KnownColumn[], fresh: readonly KnownColumn[], file: string): Promise<KnownColumn[]> {
    if (this.table === null) await this.make([...known, ...fresh], file);
    await this.table?.prepareOwnColumns(this.rescued, this.policy.alters);
    const missing = fresh.filter((column) => this.fitted(column) === null);
    if (this.policy.adds && missing.length > 0) await this.extend(missing, file);
    const lacking = fresh.filter((column) => this.fitted(column) === null).map(({ source }) => source);
    if (lacking.length > 0 && this.policy.unknown === 'report') throw this.lacks(file, lacking);
    return fresh.flatMap((column) => this.fitted(column) ?? []);
  }

  /** The table may have been dropped or altered since the columns were found out; the policy says what becomes of those that are gone. */
  async match(known: readonly KnownColumn[]): Promise<KnownColumn[]> {
    if (this.table === null) await this.make(known, this.name.table);
    await this.table?.prepareOwnColumns(this.rescued, this.policy.alters);
    const gone = known.filter((column) => this.fitted(column) === null);
    if (gone.length > 0 && this.policy.unknown === 'report') await this.restore(gone);
    const kept = known.flatMap((column) => this.fitted(column) ?? []);
    if (kept.length === 0) throw this.gone(gone);
    return kept;
  }

  /** What stands in the way of a change (a view, ...) is told of the file that wants it. */
  async alter(file: string, changes: readonly TableChange[]): Promise<void> {
    await this.table?.alter(changes).catch((error: unknown) => {
      if (!(error instanceof DestinationError) || error.retry === 'later') throw error;
      throw new BadFile(
        'schema_mismatch',
        `${file} needs a change of the table: ${error.message}`,
        {},
        { cause: error },
      );
    });
  }

  lacks(path: string, columns: readonly string[]): BadFile {
    const { schema, table } = this.name;
    const list = columns.map((column) => `+ ${column}`).join(', ');
    return new BadFile(
      'schema_mismatch',
      `The table ${schema}.${table} lacks columns of ${path}, or the server alone writes them: ${list}. ${REMEDY}`,
      { column: columns[0] ?? null },
    );
  }

  private async make(columns: readonly KnownColumn[], file: string): Promise<void> {
    if (columns.length > MAX_COLUMNS) throw tooMany(file);
    const { write_mode, merge_keys } = this.order.destination;
    const keys = write_mode === 'merge' ? keyNames(merge_keys, columns) : [];
    await this.session.createTable(this.name, columns, { keys, rescued: this.rescued });
    // Another ingestion may have just made it, with columns of its own.
    await this.find();
  }

  private async extend(missing: readonly KnownColumn[], file: string): Promise<void> {
    const absent = missing.filter(({ name }) => this.table?.has(name) === false);
    // Two more are Sluice's own.
    if ((this.table?.columnCount ?? 0) + absent.length > MAX_COLUMNS + 2) throw tooMany(file);
    await this.alter(
      file,
      absent.map(({ name, type }) => ({ kind: 'add', column: name, type })),
    );
  }

  private async restore(gone: readonly KnownColumn[]): Promise<void> {
    if (!this.policy.adds || gone.some(({ name }) => this.table?.has(name))) throw this.gone(gone);
    await this.table?.alter(gone.map(({ name, type }) => ({ kind: 'add', column: name, type })));
  }

  private gone(columns: readonly KnownColumn[]): DestinationError {
    const { schema, table } = this.name;
    const list = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} no longer has columns it was loaded with, or the server alone writes them: ${list}. ${REMEDY}`,
      'never',
    );
  }
}

const REMEDY = 'Alter the table, or set on_schema_change to append_new_columns, sync_all_columns, rescue or ignore.';

function tooMany(path: string): BadFile {
  return new BadFile(
    'limit',
    `With the columns of ${path} the table would have more than ${MAX_COLUMNS} columns, and two of PostgreSQL's 1,600 are Sluice's own. Split the file, or set on_schema_change to ignore or rescue.`,
  );
}
