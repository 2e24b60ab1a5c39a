import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { readConfig } from '@sluice/kernel';
import { OrchestrationGatewayModule } from '@sluice/orchestration-gateway';
import { AppModule } from '../../apps/api/src/app.module';
import { APP_OPTIONS, configureApp } from '../../apps/api/src/configure-app';

/** The API as a process of its own: what its `main.ts` does, with faster probes. Tells its parent the address, and ends with it. */
export async function serve(): Promise<void> {
  const orchestration = OrchestrationGatewayModule.forApi({ probeEveryMs: 100 });
  const module = AppModule.forRoot(readConfig(process.env), orchestration);
  const app = await NestFactory.create<NestExpressApplication>(module, APP_OPTIONS);
  configureApp(app);
  await app.listen(0, '127.0.0.1');
  process.send?.({ url: await app.getUrl() });
  process.once('disconnect', () => process.exit());
}
