import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

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
  private instance: Promise<DuckDBInstance> | null = null;
  private shared: Promise<DuckDBConnection> | null = null;

  constructor(private readonly limits: DuckDbLimits) {}

  /** Where it may spill, and where small files it is asked about may lie. */
  get tempDir(): string {
    return this.limits.tempDir;
  }

  /** Begins to load and start it, for who will need it soon. What goes wrong is met by whoever uses it. */
  begin(): void {
    this.connect().catch(() => undefined);
  }

  /** The shared connection, for questions with short answers: a question ends the stream of the one before. */
  connect(): Promise<DuckDBConnection> {
    this.shared ??= this.session();
    return this.shared;
  }

  /** A connection of one's own, for a long answer; whoever asked for it closes it. */
  async session(): Promise<DuckDBConnection> {
    this.instance ??= this.start();
    const connection = await (await this.instance).connect();
    await connection.run("SET TimeZone = 'UTC'");
    return connection;
  }

  async close(): Promise<void> {
    const [connection, instance] = await Promise.all([
      this.shared?.catch(() => null),
      this.instance?.catch(() => null),
    ]);
    this.shared = this.instance = null;
    connection?.closeSync();
    instance?.closeSync();
  }

  private async start(): Promise<DuckDBInstance> {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    return DuckDBInstance.create(':memory:', {
      memory_limit: `${this.limits.memoryMb}MB`,
      threads: String(this.limits.threads),
      temp_directory: this.limits.tempDir,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
  }
}

/** A text as an SQL literal, for the table functions whose arguments cannot be bound. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as an SQL identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The path of one file as an SQL literal: what would be a pattern in it stands for itself. */
export function pathLiteral(path: string): string {
  return literal(path.replace(/[[*?]/g, '[$&]'));
}
