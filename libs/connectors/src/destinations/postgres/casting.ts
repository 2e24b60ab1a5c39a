import { type Client, escapeIdentifier } from 'pg';
import { LOAD_ID, type LoadColumn, RESCUED } from '../../column';
import { RowRefused, type WriteOrder } from '../destination';
import { firstStuck, type Range } from './halves';
import { asDestinationError, refusedRow } from './pg-errors';
import { list, nameOf } from './sql';
import { RAW, restingPlace, ROW } from './staging';

const EVERY_RECORD = ['-9223372036854775808', '9223372036854775807'];

/** As SQL names them: the type itself (`"bit"`, which as a word would mean `bit(1)`), and with its modifier or as the domain it is. */
interface CastType {
  name: string;
  plain: string;
  whole: string;
}

/** $1: the table, $2: column names. */
const CAST_TYPES = `
WITH RECURSIVE base AS (
  SELECT attname, atttypid AS type, format_type(atttypid, atttypmod) AS whole FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = ANY ($2)
  UNION ALL
  SELECT attname, typbasetype, whole FROM base JOIN pg_type t ON t.oid = type AND typtype = 'd'
)
SELECT attname AS name, format_type(type, -1) AS plain, whole FROM base JOIN pg_type t ON t.oid = type WHERE typtype <> 'd'`;

/** Moves the rows of one COPY on from the table of texts, cast to the types of the target. Raises `RowRefused` for the first that cannot be cast. */
export class Casting {
  private types: ReadonlyMap<string, CastType> | null = null;

  constructor(
    private readonly client: Client,
    private readonly order: WriteOrder,
  ) {}

  async moveOn(columns: readonly LoadColumn[]): Promise<void> {
    this.types ??= await this.castTypes();
    const statement = this.moveSql(columns);
    await this.client.query('SAVEPOINT casting');
    try {
      await this.refuseCut(columns);
      await this.client.query(statement, EVERY_RECORD);
    } catch (error) {
      if (error instanceof RowRefused) throw error;
      await this.client.query('ROLLBACK TO SAVEPOINT casting');
      throw await this.firstRefused(statement, error);
    }
    await this.client.query(`RELEASE SAVEPOINT casting; TRUNCATE ${RAW}`);
  }

  private async castTypes(): Promise<ReadonlyMap<string, CastType>> {
    const names = this.order.columns.filter(({ cast }) => cast !== undefined).map(({ name }) => name);
    const { rows } = await this.client.query<CastType>(CAST_TYPES, [nameOf(this.order.table), names]);
    return new Map(rows.map((type) => [type.name, type]));
  }

  /** Assigning to `interval(0)` would round without a word, so what comes out shorter is refused before. */
  private async refuseCut(columns: readonly LoadColumn[]): Promise<void> {
    const cut = columns.flatMap(({ name }) => this.cutCondition(name) ?? []);
    if (cut.length === 0) return;
    const statement = `SELECT ${ROW} AS record FROM ${RAW} WHERE ${cut.join(' OR ')} ORDER BY ${ROW} LIMIT 1`;
    const record = (await this.client.query<{ record: string }>(statement)).rows[0]?.record;
    if (record === undefined) return;
    const message = 'a value is longer or more exact than its column takes';
    throw new RowRefused(await this.sentBefore(record), null, message);
  }

  private cutCondition(name: string): string | null {
    const type = this.types?.get(name);
    if (type === undefined || type.plain === type.whole) return null;
    const column = escapeIdentifier(name);
    return `CAST(${column} AS ${type.plain})::text <> CAST(CAST(${column} AS ${type.plain}) AS ${type.whole})::text`;
  }

  private moveSql(columns: readonly LoadColumn[]): string {
    const merged = this.order.keys.length > 0;
    const tail = `${list([...(this.order.rescued ? [RESCUED] : []), LOAD_ID])}${merged ? `, ${ROW}` : ''}`;
    const names = columns.map(({ name }) => escapeIdentifier(name));
    const values = columns.map(({ name }) => this.cast(name));
    return `INSERT INTO ${restingPlace(this.order)} (${[...names, tail].join(', ')}) SELECT ${[...values, tail].join(', ')}
      FROM ${RAW} WHERE ${ROW} BETWEEN $1 AND $2 ORDER BY ${ROW}`;
  }

  private cast(name: string): string {
    const type = this.types?.get(name);
    return type === undefined ? escapeIdentifier(name) : `CAST(${escapeIdentifier(name)} AS ${type.plain})`;
  }

  /** The server does not say which row it was: halves are tried until one row is left. All is rolled back with the file. */
  private async firstRefused(statement: string, error: unknown): Promise<Error> {
    const refused = refusedRow(error);
    if (refused === null) return asDestinationError(error);
    const { rows } = await this.client.query<{ first: string; last: string }>(
      `SELECT min(${ROW}) AS first, max(${ROW}) AS last FROM ${RAW}`,
    );
    const range = { first: BigInt(rows[0]?.first ?? 1), last: BigInt(rows[0]?.last ?? 1) };
    const stuck = await firstStuck(range, (half) => this.moves(statement, half));
    return new RowRefused(await this.sentBefore(stuck.toString()), refused.column, refused.message, { cause: error });
  }

  private async moves(statement: string, { first, last }: Range): Promise<boolean> {
    await this.client.query('SAVEPOINT casting');
    try {
      await this.client.query(statement, [first.toString(), last.toString()]);
      return true;
    } catch (error) {
      if (refusedRow(error) === null) throw asDestinationError(error);
      await this.client.query('ROLLBACK TO SAVEPOINT casting');
      return false;
    }
  }

  /** The place of a record among the rows sent: those rejected by the reader were not. */
  private async sentBefore(record: string): Promise<number> {
    const statement = `SELECT count(*)::float8 AS place FROM ${RAW} WHERE ${ROW} <= $1`;
    return (await this.client.query<{ place: number }>(statement, [record])).rows[0]?.place ?? 1;
  }
}
