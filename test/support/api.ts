import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { OpenAPIObject } from '@nestjs/swagger';
import { rowsOf } from '@sluice/database';
import { ReconcilerTimer } from '@sluice/ingestion';
import { readConfig } from '@sluice/kernel';
import { OrchestrationGateway, OrchestrationGatewayModule } from '@sluice/orchestration-gateway';
import request, { type Response, type Test as Call } from 'supertest';
import { DataSource } from 'typeorm';
import { AppModule } from '../../apps/api/src/app.module';
import { APP_OPTIONS, configureApp } from '../../apps/api/src/configure-app';
import { describeApi } from '../../apps/api/src/openapi/document';
import { migratedDatabase, until } from './control-plane';
import { startFakePrefect, type FakePrefect } from './fake-prefect';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete' | 'options' | 'head';

export interface Api {
  app: NestExpressApplication;
  fake: FakePrefect;
  document: OpenAPIObject;
  /** A call below `/api/v1`, or at the root when the path begins with `//`. A status its route does not document fails the test. */
  call(method: Method, path: string, body?: unknown, adjust?: (call: Call) => Call): Promise<Response>;
  sql<Row = Record<string, unknown>>(statement: string, parameters?: unknown[]): Promise<Row[]>;
  dropDatabase(): Promise<void>;
  close(): Promise<void>;
}

export interface ApiOptions {
  /** Made by the caller; its own by default. */
  fake?: FakePrefect;
  /** Default 50. */
  probeEveryMs?: number;
  /** The reconciler passes every 5 s, as it is served; else only when a test asks it to. */
  reconciles?: boolean;
}

/** The API as it is served, on a database of its own and a fake Prefect. */
export async function startApi(env: Record<string, string> = {}, options: ApiOptions = {}): Promise<Api> {
  const database = await migratedDatabase();
  const fake = options.fake ?? (await startFakePrefect());
  const config = readConfig({
    DATABASE_URL: database.url,
    DESTINATION_URL: database.url,
    PREFECT_API_URL: fake.apiUrl,
    SLUICE_FILE_ROOTS: '/data',
    SLUICE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
    LOG_LEVEL: 'silent',
    ...env,
  });
  const app = await served(config, options);
  const document = describeApi(app);
  return {
    ...{ app, fake, document },
    call: (method, path, body, adjust) => call({ app, document, method, path, body, adjust }),
    sql: (statement, parameters) => rowsOf(app.get(DataSource), statement, parameters),
    dropDatabase: () => database.drop(),
    close: async () => {
      await app.close();
      await fake.stop();
      await database.drop();
    },
  };
}

async function served(config: ReturnType<typeof readConfig>, options: ApiOptions): Promise<NestExpressApplication> {
  const { probeEveryMs = 50, reconciles = false } = options;
  const module = AppModule.forRoot(config, OrchestrationGatewayModule.forApi({ probeEveryMs }));
  const builder = Test.createTestingModule({ imports: [module] });
  if (!reconciles) builder.overrideProvider(ReconcilerTimer).useValue({});
  const testing = await builder.compile();
  const app = testing.createNestApplication<NestExpressApplication>(APP_OPTIONS);
  configureApp(app);
  await app.init();
  await until(() => app.get(OrchestrationGateway).initialized, 20_000);
  return app;
}

interface CallOptions {
  app: NestExpressApplication;
  document: OpenAPIObject;
  method: Method;
  path: string;
  body: unknown;
  adjust: ((call: Call) => Call) | undefined;
}

async function call({ app, document, method, path, body, adjust = (it) => it }: CallOptions): Promise<Response> {
  const whole = path.startsWith('//') ? path.slice(1) : `/api/v1${path}`;
  const prepared = adjust(request(app.getHttpServer())[method](whole));
  const response = await (body === undefined ? prepared : prepared.send(body as object));
  assertDocumented(document, method, whole, response.status);
  return response;
}

/** Unknown routes and methods are not in the document; whatever is, names all its statuses. */
function assertDocumented(document: OpenAPIObject, method: Method, path: string, status: number): void {
  const [plain = ''] = path.split('?');
  const route = Object.keys(document.paths).find((it) =>
    new RegExp(`^${it.replace(/\{\w+\}/g, '[^/]+')}$`).test(plain),
  );
  const operation = route === undefined ? undefined : document.paths[route]?.[method as 'get'];
  if (operation === undefined || status in operation.responses) return;
  throw new Error(`${method} ${String(route)} answered ${status}, which the document does not name.`);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The whole body of a problem, and that the answer is one. `members`: beside `code`, `status`, `title` and `detail`. */
export function expectProblem(response: Response, problem: Problem, members: Record<string, unknown> = {}): void {
  expect(response.body).toEqual({
    type: `urn:sluice:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    ...problem,
    ...members,
    request_id: expect.stringMatching(UUID),
  });
  expect(response.status).toBe(problem.status);
  expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(response.headers['x-request-id']).toBe(response.body.request_id);
}

interface Problem {
  code: string;
  status: number;
  title: string;
  detail: string;
}
