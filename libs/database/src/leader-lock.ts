import { Client } from 'pg';

/** A leader whose machine has vanished is noticed by the server within about 15 s instead of its own two hours; without effect on Unix sockets. */
const NOTICE_SOON = `
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 15000`;

/** One that is frozen answers the server's keep-alives, since its machine does that: it is known by asking nothing. Living ones ask much more often. */
const FROZEN_MS = 30_000;
const ASKS_EVERY_MS = 5_000;

/**
 * Leadership by a session advisory lock on a connection of its own: whoever holds it leads, and it is free again as soon as
 * that process or its connection is gone, or the process has stood still for half a minute. One that wakes up after that finds it does not lead any
 * more with its next `hold`; what it was just doing it goes on with, so whatever a leader does must bear being done twice.
 */
export class LeaderLock {
  private client: Client | undefined;
  private asked: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly url: string,
    private readonly key: number,
  ) {}

  /** True while this process leads. Asks again each time, so a connection that died is noticed. Rejects when the database cannot be reached. */
  async hold(): Promise<boolean> {
    if (this.client) return this.stillHolds(this.client);
    const client = await this.connect();
    // An unanswered try may still be granted: that connection must not live on unknown, or nobody would lead any more.
    const held = await tryLock(client, this.key).catch(async (error: unknown) => {
      await client.end().catch(() => undefined);
      throw error;
    });
    if (held) this.keep(client);
    else await client.end();
    return held;
  }

  /** Signs of life, however long the holder is busy with other things. */
  private keep(client: Client): void {
    this.client = client;
    const signs = setInterval(() => void this.ask(client).catch(() => undefined), ASKS_EVERY_MS).unref();
    client.once('end', () => clearInterval(signs));
  }

  /** A connection takes one question after the other. */
  private ask(client: Client): Promise<unknown> {
    const answer = this.asked.then(() => client.query('SELECT 1'));
    this.asked = answer.catch(() => undefined);
    return answer;
  }

  async release(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private async stillHolds(client: Client): Promise<boolean> {
    try {
      await this.ask(client);
      return true;
    } catch {
      await this.release();
      return false;
    }
  }

  private async connect(): Promise<Client> {
    const client = new Client({
      connectionString: this.url,
      application_name: 'sluice-leader',
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
    });
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
    });
    await client.connect();
    return client;
  }
}

async function tryLock(client: Client, key: number): Promise<boolean> {
  await client.query(NOTICE_SOON);
  await client.query(`SET idle_session_timeout = ${FROZEN_MS}`);
  const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [key]);
  return rows[0]?.held === true;
}
