import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import { Logger } from 'nestjs-pino';
import type { Logger as RootLogger } from 'pino';
import { LOG } from './app.module';
import { BODY_LIMIT, BODY_TYPES } from './http/limits';
import { requestLog } from './http/request-log';
import { RouteTable } from './http/route-table';
import { bodyAndQueryPipe, StorableTextPipe } from './http/validation';
import { Metrics } from './metrics/metrics';
import { describeApi, DOCS_PATH, DOCUMENT_PATH, serveDocs } from './openapi/document';

/** What Nest is to be created with: parser and logger come later, and a start that fails is told once, by main.ts. */
export const APP_OPTIONS = { bodyParser: false, logger: false, abortOnError: false } as const;

/** Longer than balancers and clients keep a connection idle (60 s at most, as a rule): otherwise a request now and then meets one that is just being closed. */
const KEEP_ALIVE_MS = 75_000;

/**
 * All that stands between the socket and the controllers, in this order: request id and log, headers, body, documents. Helmet's
 * upgrade-insecure-requests is off, or Swagger UI would look for its scripts at https where there is none.
 */
export function configureApp(app: NestExpressApplication): void {
  app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
  app.useLogger(app.get(Logger));
  app.use(app.get(Metrics).timer);
  app.use(requestLog(app.get<RootLogger>(LOG)));
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  app.useBodyParser('json', { limit: BODY_LIMIT, type: BODY_TYPES });
  app.useGlobalPipes(new StorableTextPipe(), bodyAndQueryPipe());
  const document = describeApi(app);
  app.get(RouteTable).learn(document, [`/${DOCS_PATH}`, `/${DOCUMENT_PATH}`]);
  serveDocs(app, document);
}
