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
    const { leaseSeconds: seconds, fileAttempts: attempts = 5, fileRetrySeconds = 60 } = this.options;
    const { writer, keeper } = await this.pair(runId);
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

  /** Both at the same time: a connection is several round trips and, with a password, work for both sides. */
  private async pair(runId: string): Promise<{ writer: Client; keeper: Client }> {
    const { url } = this.options;
    const [writer, keeper] = await Promise.allSettled([
      connect(url, `sluice run ${runId}`, CONNECT_MS),
      connect(url, `sluice lease ${runId}`, CONNECT_MS),
    ]);
    if (writer.status === 'fulfilled' && keeper.status === 'fulfilled')
      return { writer: writer.value, keeper: keeper.value };
    const opened = [writer, keeper].flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    const [failed] = [writer, keeper].flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : []));
    return closing(failed, ...opened);
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
