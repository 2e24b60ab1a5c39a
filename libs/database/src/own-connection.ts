import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';

/** For one answer, and for connecting. */
const ANSWER_MS = 5_000;
/** A server that is gone without a word does not answer a goodbye either. */
const GOODBYE_MS = 1_000;

/**
 * A connection beside the pool, for what must go on when the pool is busy or its connections are dead: it is given up at its first fault and
 * made anew with the next question, and no question waits for more than 10 s. One question at a time.
 */
export class OwnConnection {
  private client: Client | undefined;

  constructor(
    private readonly url: string,
    private readonly name: string,
  ) {}

  async query<Row extends object>(sql: string, values: unknown[]): Promise<Row[]> {
    const client = await this.connected();
    try {
      return (await client.query<Row>(sql, values)).rows;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Repeatable; a later question connects again. Never raises. */
  async close(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) await Promise.race([client.end().catch(() => undefined), pause(GOODBYE_MS, undefined, { ref: false })]);
  }

  private async connected(): Promise<Client> {
    if (this.client) return this.client;
    const client = new Client({
      connectionString: this.url,
      application_name: this.name,
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
    });
    client.on('error', () => {
      if (this.client === client) this.client = undefined;
    });
    await client.connect();
    return (this.client = client);
  }
}
