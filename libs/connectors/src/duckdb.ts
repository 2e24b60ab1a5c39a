import type { DuckDBConnection } from '@duckdb/node-api';

export interface DuckDbLimits {
  memoryMb: number;
  threads: number;
  /** Where it may spill. */
  tempDir: string;
}

/**
 * A DuckDB in memory, loaded only when it is first needed (its native part is 60 MB). It may neither install nor load extensions.
 * Used for what it does best: reading Parquet and finding out how a CSV is written.
 */
export class DuckDb {
  private connection: Promise<DuckDBConnection> | null = null;

  constructor(private readonly limits: DuckDbLimits) {}

  connect(): Promise<DuckDBConnection> {
    this.connection ??= this.start();
    return this.connection;
  }

  async close(): Promise<void> {
    const connection = await this.connection?.catch(() => null);
    this.connection = null;
    connection?.closeSync();
  }

  private async start(): Promise<DuckDBConnection> {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${this.limits.memoryMb}MB`,
      threads: String(this.limits.threads),
      temp_directory: this.limits.tempDir,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    return connection;
  }
}

/** A text as an SQL literal, for the table functions whose arguments cannot be bound. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The path of one file as an SQL literal: what would be a pattern in it stands for itself. */
export function pathLiteral(path: string): string {
  return literal(path.replace(/[[*?]/g, '[$&]'));
}
