/** The API as a process of its own, from its sources: what `main.ts` does, with faster probes. Sends its process id when it serves. */
import { requireTypeScript } from '../../tools/typescript.mjs';

const { NestFactory } = requireTypeScript('@nestjs/core');
const { readConfig } = requireTypeScript('@sluice/kernel');
const { OrchestrationGatewayModule } = requireTypeScript('@sluice/orchestration-gateway');
const { AppModule } = requireTypeScript('apps/api/src/app.module.ts');
const { APP_OPTIONS, configureApp } = requireTypeScript('apps/api/src/configure-app.ts');

const orchestration = OrchestrationGatewayModule.forApi({ probeEveryMs: 100 });
const app = await NestFactory.create(AppModule.forRoot(readConfig(process.env), orchestration), APP_OPTIONS);
configureApp(app);
await app.listen(0, '127.0.0.1');
process.send?.({ url: await app.getUrl() });
process.once('disconnect', () => process.exit());
