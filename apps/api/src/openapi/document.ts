import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `Sluice loads new files and rows into tables, each row exactly once. An **ingestion** says where data lies, where it should
go and when; every execution is a flow run of Prefect.

Try it: \`POST /api/v1/ingestions\` with the example body, \`POST /api/v1/ingestions/{id}/run\` with the id of the answer, then
\`GET /api/v1/runs/{run_id}\` until its \`status\` is \`success\`.

Every error is \`application/problem+json\` (RFC 9457): \`code\` is stable, \`detail\` is a sentence for a person.`;

export const DOCS_PATH = 'docs';
export const DOCUMENT_PATH = 'openapi.json';

export function describeApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Sluice')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addTag('ingestions', 'The standing orders: where data lies, where it goes and when')
    .addTag('runs', 'Their executions')
    .addTag('history', 'What was loaded, and how columns have changed')
    .addTag('events', 'What somebody should hear of')
    .addTag('orchestration', 'Prefect, as Sluice sees it')
    .addTag('health', 'Probes and metrics for whoever watches over the process')
    .build();
  return SwaggerModule.createDocument(app, config);
}

/** Swagger UI and the document itself. The validator's badge is off: it would send the document's address to somebody else's server. */
export function serveDocs(app: INestApplication, document: OpenAPIObject): void {
  SwaggerModule.setup(DOCS_PATH, app, document, {
    jsonDocumentUrl: DOCUMENT_PATH,
    raw: ['json'],
    customSiteTitle: 'Sluice',
    swaggerOptions: { validatorUrl: null, displayRequestDuration: true, tryItOutEnabled: true },
  });
}
