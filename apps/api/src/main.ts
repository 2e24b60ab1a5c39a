import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { type Config, readConfig } from '@sluice/kernel';
import { AppModule } from './app.module';
import { APP_OPTIONS, configureApp } from './configure-app';
import { printDocument } from './openapi/print-document';
import { explain, whatFailed } from './start-fault';

const FAILED = 1;

/** `--openapi` prints the OpenAPI document and ends; it needs neither a configuration nor a database. */
async function main(): Promise<void> {
  if (process.argv.includes('--openapi')) return printDocument();
  await serve(readConfig(process.env));
}

/** Serves until SIGTERM or SIGINT, then ends what is under way and exits with 0. */
async function serve(config: Config): Promise<void> {
  const app = await whatFailed('The control database (DATABASE_URL) cannot be used', () =>
    NestFactory.create<NestExpressApplication>(AppModule.forRoot(config), APP_OPTIONS),
  );
  configureApp(app);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  const address = `${config.HOST}:${config.PORT}`;
  await whatFailed(`The API cannot listen on ${address} (HOST, PORT)`, () => app.listen(config.PORT, config.HOST));
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(FAILED);
});
