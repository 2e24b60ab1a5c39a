import type { Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DatabaseModule, migrate, rowsOf } from '@sluice/database';
import {
  IngestionModule,
  IngestionService,
  Reconciler,
  ReconcilerTimer,
  RunService,
  RunRecorder,
  RunRecorderModule,
  type CreateIngestion,
} from '@sluice/ingestion';
import { KernelModule, readConfig, type Config } from '@sluice/kernel';
import { OrchestrationGateway, OrchestrationGatewayModule } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { freshDatabase, templateDatabase } from './database';
import { startFakePrefect, type FakePrefect } from './fake-prefect';
import { until } from './until';

export { until };

/** The use cases on a database of their own and a fake Prefect; the reconciler only runs when it is asked to. */
export interface ControlPlane {
  url: string;
  config: Config;
  fake: FakePrefect;
  gateway: OrchestrationGateway;
  ingestions: IngestionService;
  runs: RunService;
  recorder: RunRecorder;
  reconciler: Reconciler;
  dataSource: DataSource;
  /** Any other part of it. */
  get<T>(part: Type<T>): T;
  sql<Row = Record<string, unknown>>(statement: string, parameters?: unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

const KEY = Buffer.alloc(32, 7).toString('base64');

export async function startControlPlane(env: Record<string, string> = {}): Promise<ControlPlane> {
  const database = await migratedDatabase();
  const fake = await startFakePrefect();
  const config = readConfig({
    DATABASE_URL: database.url,
    DESTINATION_URL: database.url,
    PREFECT_API_URL: fake.apiUrl,
    SLUICE_FILE_ROOTS: '/data',
    SLUICE_SECRET_KEY: KEY,
    ...env,
  });
  const app = await Test.createTestingModule({
    imports: [
      KernelModule.forRoot(config),
      DatabaseModule.forRoot(),
      OrchestrationGatewayModule.forApi({ probeEveryMs: 50 }),
      IngestionModule,
      RunRecorderModule,
    ],
  })
    .overrideProvider(ReconcilerTimer)
    .useValue({})
    .compile();
  app.useLogger(false);
  await app.init();
  const gateway = app.get(OrchestrationGateway);
  await until(() => gateway.initialized);
  const dataSource = app.get(DataSource);
  return {
    url: database.url,
    config,
    fake,
    gateway,
    dataSource,
    ingestions: app.get(IngestionService),
    runs: app.get(RunService),
    recorder: app.get(RunRecorder),
    reconciler: app.get(Reconciler),
    get: (part) => app.get(part),
    sql: (statement, parameters) => rowsOf(dataSource, statement, parameters),
    close: async () => {
      await app.close();
      await fake.stop();
      await database.drop();
    },
  };
}

/** A database that has all migrations: a copy, so it costs little. */
export async function migratedDatabase() {
  const template = await templateDatabase('control_template', async (url) => {
    await migrate(url);
  });
  return freshDatabase(template);
}

let made = 0;

/** A draft unless it is given a schedule; each has a name of its own. */
export function anIngestion(fields: Partial<CreateIngestion> = {}): CreateIngestion {
  made += 1;
  return {
    name: `trips ${made}`,
    source: { type: 'file', path: '/data/in' },
    destination: { table: 'trips' },
    ...fields,
  };
}

export const DAILY = { frequency: 'daily', time: '06:00' } as const;

/** What a promise rejects with; fails when it does not. */
export async function refusalOf(attempt: Promise<unknown>): Promise<unknown> {
  const answer = await attempt.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in answer) return answer.error;
  throw new Error(`It was accepted: ${JSON.stringify(answer.value)}`);
}
