import { type Client, escapeIdentifier } from 'pg';
import { LOAD_ID } from '../../column';
import { type MergedRow, RowRefused } from '../destination';
import { firstStuck, type Range } from './halves';
import { asDestinationError, refusedRow } from './pg-errors';
import { PART, ROW } from './staging';

/** Rows told of one refusal: who has more of them has another problem. */
const MOST = 100;
const COUNTING = 'pg_temp.sluice_counting';
const PLACE = escapeIdentifier('sluice place');

/** The statement that inserts rows from this item of a FROM clause. */
export type InsertOf = (rows: string) => string;

/**
 * The same refusal with the rows that are to blame: the server says no row of an INSERT, so the rows go in again in the order of their files, in halves,
 * without each that cannot. The transaction is lost in any case. Without rows when none stands out, since the order matters to a trigger perhaps.
 */
export async function withCulprits(
  client: Client,
  refused: RowRefused,
  statements: { counting: string; sqlOf: InsertOf },
): Promise<Error> {
  try {
    const merged = await new Culprits(client, statements.sqlOf).find(statements.counting);
    return new RowRefused(null, refused.column, refused.message, { cause: refused.cause, merged });
  } catch (error) {
    return asDestinationError(error);
  }
}

class Culprits {
  private last: RowRefused | null = null;

  constructor(
    private readonly client: Client,
    private readonly sqlOf: InsertOf,
  ) {}

  async find(counting: string): Promise<MergedRow[]> {
    const found: MergedRow[] = [];
    const last = await this.number(counting);
    for (let first = 1n; first <= last && found.length < MOST; first++) {
      if (await this.moves({ first, last })) break;
      first = await firstStuck({ first, last }, (range) => this.moves(range));
      found.push(...(await this.culprit(first)));
    }
    return found;
  }

  /** Numbers the rows; the number of the last. */
  private async number(counting: string): Promise<bigint> {
    const order = `${LOAD_ID}, ${PART}, ${ROW}`;
    await this.client.query(
      `CREATE TEMPORARY TABLE sluice_counting ON COMMIT DROP AS
         SELECT *, row_number() OVER (ORDER BY ${order}) AS ${PLACE} FROM (${counting}) AS last;
       ALTER TABLE ${COUNTING} ADD PRIMARY KEY (${PLACE}); ANALYZE ${COUNTING}`,
    );
    const counted = await this.client.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${COUNTING}`);
    return BigInt(counted.rows[0]?.rows ?? 0);
  }

  private async moves({ first, last }: Range): Promise<boolean> {
    const rows = `(SELECT * FROM ${COUNTING} WHERE ${PLACE} BETWEEN $1 AND $2 ORDER BY ${PLACE}) AS counting`;
    await this.client.query('SAVEPOINT half');
    try {
      await this.client.query(this.sqlOf(rows), [first.toString(), last.toString()]);
      await this.client.query('RELEASE SAVEPOINT half');
      return true;
    } catch (error) {
      this.last = refusedRow(error);
      if (this.last === null) throw error;
      await this.client.query('ROLLBACK TO SAVEPOINT half');
      return false;
    }
  }

  /** What was said last was said of it: rows go in their order, and all before it have gone. */
  private async culprit(place: bigint): Promise<MergedRow[]> {
    const { rows } = await this.client.query<Pick<MergedRow, 'loadId' | 'part' | 'record'>>(
      `SELECT ${LOAD_ID}::text AS "loadId", ${PART} AS part, ${ROW}::float8 AS record FROM ${COUNTING} WHERE ${PLACE} = $1`,
      [place.toString()],
    );
    const { column = null, message = '' } = this.last ?? {};
    return rows.map((row) => ({ ...row, column, message }));
  }
}
