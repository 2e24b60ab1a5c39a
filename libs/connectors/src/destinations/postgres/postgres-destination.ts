import { Client } from 'pg';
import type { Secret } from '@sluice/kernel';
import { Destination, type LoadSession } from '../destination';
import { Lease } from './lease';
import { asDestinationError } from './pg-errors';
import { PostgresSession } from './postgres-session';
import { OWN_SCHEMA_SQL } from './sql';

/** One key for everybody who prepares the schema `sluice`; an arbitrary constant. */
const PREPARE_LOCK = 7_310_442_001;
const CONNECT_MS = 10_000;

export interface PostgresDestinationOptions {
  url: Secret;
  leaseSeconds: number;
}

/** PostgreSQL 14 and later. A session holds two connections: one that writes and one whose life is the lease's. */
export class PostgresDestination extends Destination {
  constructor(private readonly options: PostgresDestinationOptions) {
    super();
  }

  override async acquire(ingestionId: string, runId: string): Promise<LoadSession | null> {
    const writer = await this.connect(`sluice run ${runId}`);
    const keeper = await this.connect(`sluice lease ${runId}`).catch((error: unknown) => closing(error, writer));
    try {
      await prepare(writer);
      const lease = await Lease.take(keeper, writer, { ingestionId, runId, seconds: this.options.leaseSeconds });
      if (lease !== null) return new PostgresSession(writer, lease, ingestionId, runId);
      await Promise.allSettled([writer.end(), keeper.end()]);
      return null;
    } catch (error) {
      return closing(asDestinationError(error), writer, keeper);
    }
  }

  override async holder(ingestionId: string): Promise<string | null> {
    const client = await this.connect(`sluice holder ${ingestionId}`);
    try {
      const statement = 'SELECT run FROM sluice.lease WHERE ingestion = $1';
      return (await client.query<{ run: string | null }>(statement, [ingestionId])).rows[0]?.run ?? null;
    } catch (error) {
      throw asDestinationError(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private async connect(name: string): Promise<Client> {
    const client = new Client({
      connectionString: this.options.url.reveal(),
      application_name: name.slice(0, 63),
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    });
    // A connection that breaks while idle is met by its next use; without a listener it would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(
        "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0",
      );
      return client;
    } catch (error) {
      void client.end().catch(() => undefined);
      throw asDestinationError(error);
    }
  }
}

async function closing(error: unknown, ...clients: Client[]): Promise<never> {
  await Promise.allSettled(clients.map((client) => client.end()));
  throw error;
}

async function prepare(client: Client): Promise<void> {
  const { rowCount } = await client.query("SELECT 1 FROM pg_class WHERE oid = to_regclass('sluice.ledger')");
  if (rowCount === 1) return;
  await client.query('BEGIN');
  await client.query('SELECT pg_advisory_xact_lock($1)', [PREPARE_LOCK]);
  await client.query(OWN_SCHEMA_SQL);
  await client.query('COMMIT');
}
