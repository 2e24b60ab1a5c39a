import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Backfill, Reconciliation } from '@sluice/ingestion';
import { ConfigError, OrchestrationUnavailable, readConfig } from '@sluice/kernel';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { backfill } from './backfill';
import { assertMigrated } from './database-ready';
import { EXIT, type ExitCode } from './exit-codes';
import { MaintenanceModule } from './maintenance.module';
import { type Command, readCommand } from './options';
import { untilUsable } from './prefect-ready';
import { Progress } from './progress';
import { dryRun, reconcile } from './reconcile';

/** What a stop is given to end the ingestion it is at. */
const STOP_MS = 15_000;

async function main(): Promise<ExitCode> {
  const [command, config] = [readCommand(process.argv.slice(2)), readConfig(process.env)];
  await assertMigrated(config.DATABASE_URL.reveal());
  const app = await NestFactory.createApplicationContext(MaintenanceModule.for(config), {
    logger: ['error', 'warn'],
    abortOnError: false,
  });
  try {
    return await run(command, app, stopSignal());
  } finally {
    await app.close();
  }
}

async function run(command: Command, app: INestApplicationContext, signal: AbortSignal): Promise<ExitCode> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (command.name === 'backfill') {
    const progress = new Progress(process.stdout);
    return backfill(app.get(Backfill), { ...command, signal }, progress);
  }
  await untilUsable(app.get(OrchestrationGateway), signal);
  const reconciliation = app.get(Reconciliation);
  if (command.dryRun) return dryRun(reconciliation, command.force, print);
  return reconcile(reconciliation, { force: command.force, signal }, print);
}

/** The second signal, or one that is not obeyed in time, ends the process. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stop.abort(new Error(name));
      setTimeout(() => process.exit(EXIT.failed), STOP_MS).unref();
    });
  }
  return stop.signal;
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof OrchestrationUnavailable) return `Prefect cannot be used (${error.reason}): ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(error instanceof ConfigError ? EXIT.configuration : EXIT.failed);
  },
);
