import type { Client } from 'pg';
import type { Secret } from '@sluice/kernel';
import { Destination, type LoadSession } from '../destination';
import { connect } from './connect';
import { Lease, LIVE_HOLDER } from './lease';
import { isPrepared, prepare } from './own-schema';
import { asDestinationError } from './pg-errors';
import { PostgresSession } from './postgres-session';

const CONNECT_MS = 10_000;
/** For who asks and does not load: a destination that takes longer is as good as away. */
const ANSWER_MS = 5_000;

export interface PostgresDestinationOptions {
  url: Secret;
  leaseSeconds: number;
  /** Attempts at one file that fails, before it is quarantined. Default 5. */
  fileAttempts?: number;
  /** Seconds before the second attempt at a failed file; each further pause is four times as long, one day at most. Default 60. */
  fileRetrySeconds?: number;
}

/** PostgreSQL 14 and later. A session holds two connections: one that writes and one whose life is the lease's. */
export class PostgresDestination extends Destination {
  constructor(private readonly options: PostgresDestinationOptions) {
    super();
  }

  override async acquire(ingestionId: string, runId: string): Promise<LoadSession | null> {
    const { url, leaseSeconds: seconds, fileAttempts: attempts = 5, fileRetrySeconds = 60 } = this.options;
    const writer = await connect(url, `sluice run ${runId}`, CONNECT_MS);
    const keeper = await connect(url, `sluice lease ${runId}`, CONNECT_MS).catch((error: unknown) =>
      closing(error, writer),
    );
    try {
      await prepare(writer);
      const lease = await Lease.take(keeper, writer, { ingestionId, runId, seconds });
      if (lease !== null)
        return new PostgresSession(writer, lease, { ingestionId, runId }, { attempts, seconds: fileRetrySeconds });
      await Promise.allSettled([writer.end(), keeper.end()]);
      return null;
    } catch (error) {
      return closing(asDestinationError(error), writer, keeper);
    }
  }

  override holder(ingestionId: string): Promise<string | null> {
    return this.asked(ingestionId, 'SELECT run FROM sluice.lease WHERE ingestion = $1');
  }

  override busyWith(ingestionId: string): Promise<string | null> {
    return this.asked(ingestionId, LIVE_HOLDER);
  }

  private async asked(ingestionId: string, statement: string): Promise<string | null> {
    const client = await connect(this.options.url, `sluice holder ${ingestionId}`, ANSWER_MS, ANSWER_MS);
    try {
      if (!(await isPrepared(client))) return null;
      return (await client.query<{ run: string | null }>(statement, [ingestionId])).rows[0]?.run ?? null;
    } catch (error) {
      throw asDestinationError(error);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function closing(error: unknown, ...clients: Client[]): Promise<never> {
  await Promise.allSettled(clients.map((client) => client.end()));
  throw error;
}
