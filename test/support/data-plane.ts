import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';
import { DataSource } from 'typeorm';
import { BatchOrchestrator, type RunOutcome } from '@sluice/batch-orchestrator';
import { type Destination, DuckDb, PostgresDestination } from '@sluice/connectors';
import { controlDatabase, migrate } from '@sluice/database';
import {
  type QualitySpec,
  type RunningOrder,
  type RunParameters,
  RunRecorder,
  type SchemaSpec,
} from '@sluice/ingestion';
import { type Config, readConfig, Secret, SystemClock } from '@sluice/kernel';
import { freshDatabase, templateDatabase } from './database';

/** An order as tests want it; what is left out is a plain one. */
export type OrderOverrides = Partial<Pick<RunningOrder, 'format' | 'on_schema_change' | 'changed_files'>> & {
  pattern?: string;
  table?: string;
  write_mode?: RunningOrder['destination']['write_mode'];
  merge_keys?: string[];
  schema?: Partial<SchemaSpec>;
  quality?: Partial<QualitySpec>;
  options?: RunningOrder['source']['options'];
};

export interface OrchestratorParts {
  config: Config;
  destination: Destination;
  recorder: RunRecorder;
}

export interface RunOptions {
  signal?: AbortSignal;
  orchestrator?: BatchOrchestrator;
  parameters?: RunParameters;
  /** Gets each line of the log. */
  log?: (line: string) => void;
}

export interface Plane {
  controlUrl: string;
  destinationUrl: string;
  recorder: RunRecorder;
  orchestrator: BatchOrchestrator;
  /** The folder of the source; `write` puts files below it. */
  folder: string;
  write(path: string, content: string | Buffer): Promise<void>;
  order(overrides?: OrderOverrides): Promise<RunningOrder>;
  /** One run, as a flow run would make it. */
  run(order: RunningOrder, options?: RunOptions): Promise<RunOutcome>;
  /** The same, whatever comes of it. */
  attempt(order: RunningOrder, options?: RunOptions): ReturnType<BatchOrchestrator['runIngestion']>;
  rows<T extends QueryResultRow>(sql: string): Promise<T[]>;
  /** Rows of the control database. */
  control<T extends QueryResultRow>(sql: string): Promise<T[]>;
  /** Another orchestrator on the same databases, with what is given exchanged. */
  orchestratorWith(parts: Partial<OrchestratorParts>): BatchOrchestrator;
  /** An empty destination and an empty folder again; cheaper than a plane of its own. */
  clean(): Promise<void>;
  close(): Promise<void>;
}

/** Control database, destination and a folder of their own, and the real orchestrator between them; only Prefect is left out. */
export async function dataPlane(env: Record<string, string> = {}): Promise<Plane> {
  const control = await freshDatabase(await templateDatabase('control', async (url) => void (await migrate(url))));
  const destination = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-data-'));
  const dataSource = await new DataSource(controlDatabase(control.url)).initialize();
  const client = new Client({ connectionString: destination.url });
  await client.connect();
  // Whoever is called `sluice` would otherwise find their own schema before `public`.
  await client.query('SET search_path = public');
  const config = readConfig({
    DATABASE_URL: control.url,
    DESTINATION_URL: destination.url,
    PREFECT_API_URL: 'http://127.0.0.1:1/api',
    SLUICE_FILE_ROOTS: folder,
    // What failed is due again at once, and a run fails at the first fault: tests of attempts say so.
    SLUICE_FILE_RETRY_SECONDS: '0',
    SLUICE_FILE_ATTEMPTS: '100',
    SLUICE_RUN_ATTEMPTS: '1',
    SLUICE_RUN_RETRY_MS: '1',
    ...env,
  });
  const recorder = new RunRecorder(dataSource, new SystemClock());
  const plain: OrchestratorParts = {
    config,
    destination: new PostgresDestination({
      url: new Secret(destination.url),
      leaseSeconds: config.SLUICE_LEASE_SECONDS,
      fileAttempts: config.SLUICE_FILE_ATTEMPTS,
      fileRetrySeconds: config.SLUICE_FILE_RETRY_SECONDS,
    }),
    recorder,
  };
  const orchestratorWith = (parts: Partial<OrchestratorParts>): BatchOrchestrator => {
    const { config, destination, recorder } = { ...plain, ...parts };
    const duckDb = new DuckDb({ memoryMb: 160, threads: 2, tempDir: tmpdir() });
    return new BatchOrchestrator(config, destination, recorder, duckDb, new SystemClock());
  };
  const orchestrator = orchestratorWith({});
  return {
    controlUrl: control.url,
    destinationUrl: destination.url,
    recorder,
    orchestrator,
    folder,
    write: async (path, content) => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    },
    order: (overrides = {}) => insertOrder(dataSource, recorder, folder, overrides),
    run: async (order, options = {}) => ended(await runOnce(recorder, order, { orchestrator, ...options })),
    attempt: (order, options = {}) => runOnce(recorder, order, { orchestrator, ...options }),
    orchestratorWith,
    clean: async () => {
      await client.query('DROP SCHEMA IF EXISTS sluice CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
    },
    control: (sql) => dataSource.query(sql),
    rows: async <T extends QueryResultRow>(sql: string) => (await client.query<T>(sql)).rows,
    close: async () => {
      await client.end();
      await dataSource.destroy();
      await Promise.all([control.drop(), destination.drop(), rm(folder, { recursive: true, force: true })]);
    },
  };
}

async function insertOrder(
  dataSource: DataSource,
  recorder: RunRecorder,
  folder: string,
  overrides: OrderOverrides,
): Promise<RunningOrder> {
  const id = randomUUID();
  const {
    format = { type: 'auto', options: {} },
    on_schema_change = 'append_new_columns',
    changed_files = 'skip',
    pattern = '*',
    table = 't',
    write_mode = 'append',
    merge_keys = [],
    options = {},
  } = overrides;
  await dataSource.query(
    `INSERT INTO sluice_control.ingestion
       (id, name, status, source, format, destination, schema, on_schema_change, changed_files, quality, credential_keys)
     VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, '{}')`,
    [
      id,
      `test ${id}`,
      JSON.stringify({ type: 'file', path: folder, file_pattern: pattern, options }),
      JSON.stringify(format),
      JSON.stringify({ schema: 'public', table, write_mode, merge_keys }),
      JSON.stringify({ ...PLAIN_SCHEMA, ...overrides.schema }),
      on_schema_change,
      changed_files,
      JSON.stringify({ ...PLAIN_QUALITY, ...overrides.quality }),
    ],
  );
  const order = await recorder.findOrder(id);
  if (order === null) throw new Error('the order just inserted is not there');
  return order;
}

const PLAIN_SCHEMA: SchemaSpec = { columns: {}, all_text: false, mode: 'infer', locked: false, drop_removed: false };
const PLAIN_QUALITY: QualitySpec = {
  on_error: 'fail_file',
  max_rejected_rows: 0,
  min_rows: null,
  max_drop_percent: null,
  max_age_seconds: null,
};
export const ALL_NEW: RunParameters = { kind: 'load', from: null, until: null, path_prefix: null };

async function runOnce(
  recorder: RunRecorder,
  order: RunningOrder,
  options: RunOptions & { orchestrator: BatchOrchestrator },
): ReturnType<BatchOrchestrator['runIngestion']> {
  const { orchestrator, signal = new AbortController().signal, parameters = ALL_NEW, log } = options;
  const entered = await recorder.enter({
    ingestionId: order.id,
    flowRunId: randomUUID(),
    runId: null,
    scheduled: true,
  });
  const report = { log: (_: string, line: string) => log?.(line), progress: () => undefined };
  const request = { order, runId: entered.id, parameters, executor: randomUUID(), signal, report };
  return orchestrator.runIngestion(request);
}

function ended(outcome: Awaited<ReturnType<BatchOrchestrator['runIngestion']>>): RunOutcome {
  if (outcome === null) throw new Error('the run belongs to another process');
  if (outcome === 'held') throw new Error('the run waits for its turn');
  return outcome;
}
