import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type Config, ConfigError, readConfig } from '@sluice/kernel';
import { AppModule } from './app.module';
import { APP_OPTIONS, configureApp } from './configure-app';
import { printDocument } from './openapi/print-document';

const FAILED = 1;

/** `--openapi` prints the OpenAPI document and ends; it needs neither a configuration nor a database. */
async function main(): Promise<void> {
  if (process.argv.includes('--openapi')) return printDocument();
  await serve(readConfig(process.env));
}

async function serve(config: Config): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(config), APP_OPTIONS);
  configureApp(app);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  await app.listen(config.PORT, config.HOST);
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(FAILED);
});

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return `The API did not start: ${error instanceof Error ? error.message || String((error as { code?: unknown }).code) : String(error)}`;
}
