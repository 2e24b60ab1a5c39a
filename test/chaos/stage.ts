import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@sluice/database';
import { Client } from 'pg';
import { freshDatabase, templateDatabase } from '../support/database';
import type { Control } from './control';
import type { Mode } from './modes';

/** Seconds; the least there may be. */
export const LEASE_SECONDS = 2;

/** Two databases and a folder of their own. */
export interface Stage {
  folder: string;
  control: Client;
  destination: Client;
  /** For locks: within a transaction the server shows who does what as it was at the first look. */
  locker: Client;
  /** What a runner needs. */
  env: NodeJS.ProcessEnv;
  insertOrder(order: { folder: string; table: string; mode: Mode }): Promise<string>;
  close(): Promise<void>;
}

export async function openStage(options: { batchFiles: number; control: Control | null }): Promise<Stage> {
  const control = await freshDatabase(await templateDatabase('control', async (url) => void (await migrate(url))));
  const destination = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-chaos-'));
  await chmod(folder, 0o755);
  const clients = await Promise.all([control, destination, destination].map(({ url }) => connected(url)));
  return {
    folder,
    control: clients[0] as Client,
    destination: clients[1] as Client,
    locker: clients[2] as Client,
    env: {
      ...process.env,
      DATABASE_URL: control.url,
      DESTINATION_URL: destination.url,
      PREFECT_API_URL: 'http://127.0.0.1:1/api',
      SLUICE_FILE_ROOTS: folder,
      SLUICE_TEMP_DIR: folder,
      SLUICE_LEASE_SECONDS: String(LEASE_SECONDS),
      SLUICE_BATCH_FILES: String(options.batchFiles),
      SLUICE_FILE_RETRY_SECONDS: '0',
      SLUICE_RUN_RETRY_MS: '50',
      CHAOS_CONTROL: options.control ?? '',
    },
    insertOrder: (order) => insertOrder(clients[0] as Client, order),
    close: async () => {
      await Promise.all(clients.map((client) => client.end()));
      await Promise.all([control.drop(), destination.drop(), rm(folder, { recursive: true, force: true })]);
    },
  };
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'chaos' });
  // A connection that breaks is met by its next use.
  client.on('error', () => undefined);
  await client.connect();
  // Whoever is called `sluice` would otherwise find their own schema before `public`.
  await client.query('SET search_path = public');
  return client;
}

async function insertOrder(
  client: Client,
  { folder, table, mode }: { folder: string; table: string; mode: Mode },
): Promise<string> {
  const id = randomUUID();
  const row = {
    id,
    name: `chaos ${id}`,
    status: 'draft',
    source: { type: 'file', path: folder, file_pattern: '*.csv', options: {} },
    format: { type: 'csv', options: {} },
    destination: {
      schema: 'public',
      table,
      write_mode: mode.write,
      merge_keys: mode.write === 'merge' ? ['key'] : [],
    },
    schema: { columns: {}, all_text: false, mode: 'infer', locked: false, drop_removed: false },
    on_schema_change: 'append_new_columns',
    changed_files: mode.reload ? 'reload' : 'skip',
    quality: {
      on_error: 'fail_file',
      max_rejected_rows: null,
      min_rows: null,
      max_drop_percent: null,
      max_age_seconds: null,
    },
    credential_keys: '{}',
  };
  const values = Object.values(row).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  const places = values.map((_, index) => `$${index + 1}`);
  const names = Object.keys(row).join(', ');
  await client.query(`INSERT INTO sluice_control.ingestion (${names}) VALUES (${places.join(', ')})`, values);
  return id;
}
