import { Client } from 'pg';
import type { Secret } from '@sluice/kernel';
import { asDestinationError } from './pg-errors';

/**
 * What a role's own settings must not change: how times and numbers become text (the shortest form that reads back the same), that a load may take
 * long, and that no row is hidden from it.
 */
const SETTINGS = [
  "client_encoding = 'UTF8'",
  "TimeZone = 'UTC'",
  "DateStyle = 'ISO, YMD'",
  'extra_float_digits = 1',
  "bytea_output = 'hex'",
  'row_security = off',
  'statement_timeout = 0',
  'idle_in_transaction_session_timeout = 0',
];

/**
 * Opens a connection. Raises `DestinationError` when that takes longer than `timeoutMs`. `answerMs`: after which a statement without an answer
 * fails, although the server may still be at it; by default never, for a load may take long.
 */
export async function connect(url: Secret, name: string, timeoutMs: number, answerMs?: number): Promise<Client> {
  const client = new Client({
    connectionString: url.reveal(),
    application_name: name.slice(0, 63),
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    ...(answerMs !== undefined && { query_timeout: answerMs }),
  });
  // A connection that breaks while idle is met by its next use; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(SETTINGS.map((setting) => `SET ${setting}`).join('; '));
    return client;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw asDestinationError(error);
  }
}

/** `work` within a transaction; rolled back when it raises. */
export async function transaction<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // The connection may be gone; then the server has rolled back already.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
