import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import type { Batch, LoadedFile, RebuildOrder, TableName, WriteOrder } from '../../destination';
import { forgetOtherLoads, type Holder, proveFence, writeLedger } from '../ledger';
import { fill } from '../merge';
import { claimTable } from '../own-tables';
import { asDestinationError, refusedRow } from '../pg-errors';
import { PostgresBatch } from '../postgres-batch';
import { createSchemaSql, nameOf, uniqueIndexSql } from '../sql';
import { makeTable } from '../table-changes';
import { isKeyOf, type Relation, relationOf, tableInfo } from '../table-info';
import { buildIndexes } from './indexes';
import { refuseObstacles } from './obstacles';
import { createAlike, retype } from './shape';
import { swap } from './swap';

/** The steps of one rebuild, all in the transaction under way on `client`; an end before the commit leaves nothing behind. */
export class Rebuild {
  /** Where rows go until the swap; the table itself where there was none. */
  private readonly target: TableName;
  private readonly order: WriteOrder;
  readonly batch: PostgresBatch;

  private constructor(
    private readonly client: Client,
    private readonly ordered: RebuildOrder,
    private readonly holder: Holder,
    private readonly old: Relation | null,
  ) {
    const aside = { schema: ordered.table.schema, table: `sluice_${randomBytes(8).toString('hex')}` };
    this.target = old === null ? ordered.table : aside;
    this.order = { ...ordered, table: this.target };
    this.batch = new PostgresBatch(client, this.order, holder);
  }

  /**
   * Keeps others from writing to the old table, which would be lost, but not from reading it; and makes the new one. Raises `DestinationError` when it
   * could not take the place of the old one.
   */
  static async begin(client: Client, order: RebuildOrder, holder: Holder): Promise<Rebuild> {
    const rebuild = new Rebuild(client, order, holder, await lockedRelation(client, order));
    await rebuild.makeTarget();
    return rebuild;
  }

  abandon(): Promise<void> {
    return this.batch.abandon();
  }

  private async makeTarget(): Promise<void> {
    const { table, columns, keys, rescued, retypings = [] } = this.ordered;
    if (this.old !== null) {
      await refuseObstacles(this.client, table, this.old.oid, retypings);
      await createAlike(this.client, { name: table, oid: this.old.oid }, this.target);
      return retype(this.client, { name: table, fresh: this.target }, retypings);
    }
    await this.client.query(createSchemaSql(table));
    await makeTable(this.client, table, { columns, keys, rescued });
  }

  /** After the loading: all that takes long comes before the lock of the swap. */
  async finish(loaded: readonly LoadedFile[]): Promise<void> {
    await this.batch.settle();
    await this.fill();
    const indexes = this.old === null ? [] : await buildIndexes(this.client, this.old.oid, this.target);
    await this.addMissingKey();
    await this.client.query(`ANALYZE ${nameOf(this.target)}`);
    await this.writeHistory(loaded);
    if (this.old === null) return;
    const { table: name, retypings = [] } = this.ordered;
    await swap(this.client, { name, old: this.old.oid, fresh: this.target, indexes, retypings });
    if (this.old.ours) await claimTable(this.client, this.ordered.table);
  }

  private async fill(): Promise<void> {
    if (this.order.keys.length === 0 || !this.batch.entered) return;
    await fill(this.client, this.order);
  }

  /** Of a table of another's owner the session has made sure before. */
  private async addMissingKey(): Promise<void> {
    const { keys } = this.order;
    if (keys.length === 0) return;
    const info = await tableInfo(this.client, this.target);
    if (info === null || isKeyOf(info.uniqueKeys, keys)) return;
    await this.client.query(uniqueIndexSql(this.target, keys)).catch(raiseRefused);
  }

  private async writeHistory(loaded: readonly LoadedFile[]): Promise<void> {
    await proveFence(this.client, this.holder);
    const ids = loaded.map(({ loadId }) => loadId.toString());
    if (this.ordered.history === 'replace') await forgetOtherLoads(this.client, this.holder.ingestionId, ids);
    await writeLedger(this.client, loaded, this.holder);
  }
}

export type Work = (batch: Batch) => Promise<LoadedFile[]>;

async function lockedRelation(client: Client, { table, retypings = [] }: RebuildOrder): Promise<Relation | null> {
  const seen = await relationOf(client, table);
  if (seen === null) return null;
  await refuseObstacles(client, table, seen.oid, retypings);
  await client.query("SET LOCAL lock_timeout = '10s'");
  await client.query(`LOCK TABLE ${nameOf(table)} IN SHARE ROW EXCLUSIVE MODE`);
  await client.query('SET LOCAL lock_timeout = 0');
  return relationOf(client, table);
}

function raiseRefused(error: unknown): never {
  throw refusedRow(error) ?? asDestinationError(error);
}
