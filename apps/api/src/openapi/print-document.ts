import { NestFactory } from '@nestjs/core';
import { readConfig } from '@sluice/kernel';
import { AppModule } from '../app.module';
import { describeApi } from './document';

/** Values that only have the right shape: in preview mode nothing is made and nobody is called. */
const NOWHERE = {
  DATABASE_URL: 'postgresql://nobody@localhost/none',
  DESTINATION_URL: 'postgresql://nobody@localhost/none',
  PREFECT_API_URL: 'http://localhost/api',
};

/** The OpenAPI document on standard output. */
export async function printDocument(): Promise<void> {
  const app = await NestFactory.create(AppModule.forRoot(readConfig(NOWHERE)), { preview: true, logger: false });
  process.stdout.write(`${JSON.stringify(describeApi(app), null, 2)}\n`);
}
