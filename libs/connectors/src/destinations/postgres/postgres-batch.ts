import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { LoadColumn } from '../../column';
import { COPY_SIGNATURE, COPY_TRAILER } from '../../copy/copy-writer';
import type { Sink } from '../../formats/format-reader';
import { DestinationError } from '../../errors';
import type { Batch, TableColumn, TableName } from '../destination';
import { refusedRow } from './pg-errors';
import { COLUMNS, copySql, nameOf } from './sql';

const LOAD_IDS_DRAWN = 64;
type Write = (sink: Sink, loadId: bigint) => Promise<number>;

export class PostgresBatch implements Batch {
  private loadIds: bigint[] = [];
  private types: ReadonlyMap<string, string> | null = null;

  constructor(
    private readonly client: Client,
    private readonly table: TableName,
  ) {}

  async copy(columns: readonly LoadColumn[], write: Write): Promise<{ loadId: bigint; rows: number }> {
    const loadId = await this.nextLoadId();
    // A file without columns has no rows either; it is read all the same, for its version.
    if (columns.length === 0) return { loadId, rows: await write(() => Promise.resolve(), loadId) };
    await this.assertTypes(columns);
    await this.client.query('SAVEPOINT file');
    try {
      const rows = await this.send(copySql(this.table, columns), (sink) => write(sink, loadId));
      await this.client.query('RELEASE SAVEPOINT file');
      return { loadId, rows };
    } catch (error) {
      await this.client.query('ROLLBACK TO SAVEPOINT file');
      throw refusedRow(error) ?? error;
    }
  }

  /**
   * Binary values say nothing of their type: into a column of another one of the same width they would go as other values. So the types
   * are compared under a lock which keeps them until the batch has ended.
   */
  private async assertTypes(columns: readonly LoadColumn[]): Promise<void> {
    this.types ??= await lockedTypes(this.client, this.table);
    const changed = columns.filter((column) => this.types?.get(column.name) !== typed(column)).map(({ name }) => name);
    if (changed.length === 0) return;
    const message = `The table ${nameOf(this.table)} was altered while it was loaded (${changed.join(', ')}). Nothing of this batch is in; the next run takes the table as it is.`;
    throw new DestinationError('schema_mismatch', message, 'later');
  }

  /** Load ids are drawn some at a time; those left over at the end of a batch are lost, which a sequence may. */
  private async nextLoadId(): Promise<bigint> {
    if (this.loadIds.length === 0) {
      const { rows } = await this.client.query<{ id: string }>(
        "SELECT nextval('sluice.load_id') AS id FROM generate_series(1, $1)",
        [LOAD_IDS_DRAWN],
      );
      this.loadIds = rows.map(({ id }) => BigInt(id));
    }
    return this.loadIds.shift() as bigint;
  }

  private async send(statement: string, write: (sink: Sink) => Promise<number>): Promise<number> {
    const stream = this.client.query(copyFrom(statement));
    let refusal: unknown = null;
    const ended = finished(stream).catch((error: unknown) => {
      refusal = error;
      throw error;
    });
    // Whoever waits for `ended` gets the error; this only keeps it from counting as unhandled before that.
    ended.catch(() => undefined);
    try {
      const sink = sinkInto(stream, ended);
      await sink(COPY_SIGNATURE);
      const rows = await write(sink);
      stream.end(COPY_TRAILER);
      await ended;
      return rows;
    } catch (error) {
      if (refusal !== null) throw refusal as Error;
      // Tells the server to give the COPY up; its answer to that is not the reason.
      stream.destroy(new Error('the file cannot be loaded'));
      await ended.catch(() => undefined);
      throw error;
    }
  }
}

async function lockedTypes(client: Client, table: TableName): Promise<ReadonlyMap<string, string>> {
  await client.query(`LOCK TABLE ${nameOf(table)} IN ROW EXCLUSIVE MODE`);
  const { rows } = await client.query<TableColumn>(COLUMNS, [nameOf(table)]);
  return new Map(rows.map((column) => [column.name, typed(column)]));
}

/** A type with its modifier: a scale rounds and a length cuts without a word, too. */
function typed({ type, modifier = -1 }: { type: string; modifier?: number }): string {
  return `${type} ${modifier}`;
}

function sinkInto(stream: Writable, ended: Promise<void>): Sink {
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  return (bytes) => Promise.race([ended, write(bytes)]);
}
