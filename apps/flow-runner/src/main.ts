import 'reflect-metadata';
import { inspect } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { removeStaleFolders } from '@sluice/connectors';
import { type Config, ConfigError, readConfig } from '@sluice/kernel';
import { readFlowRunId } from './config';
import { EXIT, type ExitCode } from './exit-codes';
import { FlowRunExecution } from './flow-run';
import { FlowRunnerModule } from './flow-runner.module';

/** What a stopping process is given to roll back and tell Prefect. Workers wait 30 s before they kill. */
const STOP_MS = 15_000;

async function main(): Promise<ExitCode> {
  const { config, flowRunId } = configuration();
  await removeStaleFolders(config.SLUICE_TEMP_DIR);
  const app = await NestFactory.createApplicationContext(FlowRunnerModule.for(config, flowRunId), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  const execution = app.get(FlowRunExecution);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(execution));
  try {
    return await execution.execute();
  } finally {
    await app.close();
  }
}

function configuration(): { config: Config; flowRunId: string } {
  return { config: readConfig(process.env), flowRunId: readFlowRunId(process.env) };
}

function stop(execution: FlowRunExecution): void {
  void execution.terminate();
  setTimeout(() => process.exit(EXIT.unreported), STOP_MS).unref();
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // The worker shows what a flow run's process writes; without a configuration there is no other place.
    process.stderr.write(`${error instanceof ConfigError ? error.message : inspect(error)}\n`);
    process.exit(error instanceof ConfigError ? EXIT.configuration : EXIT.unreported);
  },
);
