import type { Client } from 'pg';
import { LOAD_ID, type LoadColumn, RESCUED } from '../../column';
import { DestinationError } from '../../errors';
import type { Sink } from '../../formats/format-reader';
import type { Batch, FileWrite, TableColumn, WriteOrder } from '../destination';
import { Casting } from './casting';
import { copyBinary, SharedCopy } from './copy-stream';
import type { Holder } from './ledger';
import { LoadIds } from './load-ids';
import { lockForMerge, merge } from './merge';
import { asDestinationError } from './pg-errors';
import { type FileHost, PostgresFile } from './postgres-file';
import { GoesAlone, SmallFile } from './small-file';
import { nameOf } from './sql';
import { copySql, createStagingSql, isNumbered, needsRaw, partSql } from './staging';
import { columnsOf, relationOf, takes } from './table-info';

/** The transaction under way on `client`, from its first file to its merge. */
export class PostgresBatch implements Batch, FileHost {
  readonly numbered: boolean;
  private readonly loadIds: LoadIds;
  private readonly casting: Casting;
  private inTable: ReadonlyMap<string, TableColumn> | null = null;
  /** A savepoint `file` exists: that of the last file that went well is released together with the next one's beginning. */
  private savepoint = false;
  /** Of its file, that rows of `staging` are said to be of now. */
  private part = 0;
  private shared: { statement: string; copy: SharedCopy } | null = null;

  constructor(
    readonly client: Client,
    private readonly order: WriteOrder,
    readonly holder: Holder,
  ) {
    this.numbered = isNumbered(order);
    this.loadIds = new LoadIds(client);
    this.casting = new Casting(client, order);
  }

  /** Whether anything was written to the table or on the way to it. */
  get entered(): boolean {
    return this.inTable !== null;
  }

  async file<T>(work: (file: FileWrite) => Promise<T>, { small } = { small: false }): Promise<T> {
    if (small && this.order.together === true && !needsRaw(this.order)) {
      const done = await this.together(work);
      if (done !== null) return done.result;
    }
    await this.settle();
    return this.alone(work);
  }

  /** `null`: the file must go by itself. */
  private async together<T>(work: (file: FileWrite) => Promise<T>): Promise<{ result: T } | null> {
    if (this.loadIds.isEmpty) await this.settle();
    const file = new SmallFile(await this.loadIds.next().catch(raiseOurs), this.numbered);
    try {
      const result = await work(file);
      await this.share(file);
      return { result };
    } catch (error) {
      if (error instanceof GoesAlone) return null;
      throw error;
    }
  }

  private async share({ columns, rows }: SmallFile): Promise<void> {
    const statement = columns.length === 0 ? '' : copySql(this.order, columns);
    if (this.shared !== null && this.shared.statement !== statement) await this.settle();
    if (!(await this.prepare(columns).catch(raiseOurs)) || rows.length === 0) return;
    this.shared ??= { statement, copy: new SharedCopy(this.client, `${this.atPart(0)}${statement}`) };
    await this.shared.copy.add(rows);
  }

  /** Ends the COPY of files that go together: the connection is free for something else. */
  async settle(): Promise<void> {
    const { shared } = this;
    this.shared = null;
    await shared?.copy.end();
  }

  /** All is rolled back: a COPY that is open would keep the connection. Never raises. */
  async abandon(): Promise<void> {
    const { shared } = this;
    this.shared = null;
    await shared?.copy.abandon();
  }

  private async alone<T>(work: (file: FileWrite) => Promise<T>): Promise<T> {
    const file = new PostgresFile(this, await this.loadIds.next().catch(raiseOurs));
    const { inTable, part } = this;
    try {
      return await work(file);
    } catch (error) {
      if (!file.begun) throw error;
      await this.client.query('ROLLBACK TO SAVEPOINT file').catch(raiseOurs);
      // What was prepared within the savepoint went with it.
      this.inTable = inTable;
      this.part = part;
      throw error;
    }
  }

  /** What is written to the table is in only after this: the merge, when there are keys. Raises `RowRefused`. */
  async finish(): Promise<void> {
    await this.settle();
    if (this.order.keys.length > 0 && this.entered) await merge(this.client, this.order);
  }

  savepointSql(): string {
    const release = this.savepoint ? 'RELEASE SAVEPOINT file; ' : '';
    this.savepoint = true;
    return `${release}SAVEPOINT file; `;
  }

  async copy(
    columns: readonly LoadColumn[],
    write: (sink: Sink) => Promise<number>,
    { prefix, part }: { prefix: () => string; part: number },
  ): Promise<number> {
    if (!(await this.prepare(columns).catch(raiseOurs))) return write(() => Promise.resolve(true));
    const statement = `${prefix()}${this.atPart(part)}${copySql(this.order, columns)}`;
    const rows = await copyBinary(this.client, statement, write);
    if (needsRaw(this.order)) await this.casting.moveOn(columns).catch(raiseOurs);
    return rows;
  }

  private atPart(part: number): string {
    if (this.order.keys.length === 0 || part === this.part) return '';
    this.part = part;
    return `${partSql(part)}; `;
  }

  /**
   * Deleting locks rows that another merge may be waiting for while we wait for it, so that one is locked out before. Tables of ours have no index on
   * `_load_id`: the cheapest (BRIN) makes each COPY a fifth to two fifths longer, and reading 1,000,000 rows for a file replaced takes 0.2 s.
   */
  async deleteLoad(loadId: string, prefix: () => string): Promise<void> {
    const entered = await this.prepare([]);
    await this.client.query(prefix());
    if (!entered) return;
    if (this.order.keys.length > 0) await lockForMerge(this.client, this.order);
    await this.client.query(`DELETE FROM ${nameOf(this.order.table)} WHERE ${LOAD_ID} = $1`, [loadId]);
  }

  /** False: there is no table, and none is needed, for a file without columns has no rows either; it is read all the same, for its version. */
  private async prepare(columns: readonly LoadColumn[]): Promise<boolean> {
    if (columns.length === 0 && this.inTable === null && (await relationOf(this.client, this.order.table)) === null)
      return false;
    this.inTable ??= await this.enter();
    this.refuseAltered(this.inTable, columns);
    return true;
  }

  /**
   * Binary values say nothing of their type: into a column of another one of the same width they would go as other values. So the types
   * are compared under a lock which keeps them until the batch has ended.
   */
  private async enter(): Promise<ReadonlyMap<string, TableColumn>> {
    await this.client.query(`LOCK TABLE ${nameOf(this.order.table)} IN ROW EXCLUSIVE MODE`);
    const columns = await columnsOf(this.client, this.order.table);
    const inTable = new Map(columns.map((column) => [column.name, column]));
    if (!this.numbered) return inTable;
    this.refuseAltered(inTable, this.order.columns);
    await this.client.query(createStagingSql(this.order));
    return inTable;
  }

  private refuseAltered(inTable: ReadonlyMap<string, TableColumn>, columns: readonly LoadColumn[]): void {
    const changed = columns.filter((column) => !takes(inTable.get(column.name), column)).map(({ name }) => name);
    if (this.order.rescued && inTable.get(RESCUED)?.encodes !== 'jsonb') changed.push(RESCUED);
    if (changed.length === 0) return;
    const message = `The table ${nameOf(this.order.table)} was altered while it was loaded (${changed.join(', ')}). Nothing of this batch is in; the next run takes the table as it is.`;
    throw new DestinationError('schema_mismatch', message, 'later');
  }
}

function raiseOurs(error: unknown): never {
  throw asDestinationError(error);
}
