/** Whatever runs SQL for us: TypeORM's `DataSource`, or the `EntityManager` of a transaction (then the only way to the database). */
export interface SqlRunner {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/** The rows of a statement. TypeORM answers UPDATE and DELETE with `[rows, count]` and all else with the rows alone; here it is always the rows. */
export async function rowsOf<Row>(runner: SqlRunner, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  const raw = (await runner.query(sql, [...parameters])) as unknown[];
  return (isCounted(raw) ? raw[0] : raw) as Row[];
}

function isCounted(raw: unknown[]): raw is [unknown[], number] {
  return raw.length === 2 && Array.isArray(raw[0]) && typeof raw[1] === 'number';
}
