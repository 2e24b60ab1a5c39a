import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BatchOrchestrator, BatchOrchestratorModule } from '@sluice/batch-orchestrator';
import { DatabaseModule } from '@sluice/database';
import { RunRecorder, RunRecorderModule } from '@sluice/ingestion';
import { KernelModule, readConfig } from '@sluice/kernel';
import { writeLedgerAfterCommit } from './control';
import type { Go, Said } from './messages';

@Module({})
class RunnerModule {}

/**
 * What the flow-runner does between its two talks with Prefect, with the loader as it is shipped: waits for a `Go`, enters the run, calls
 * `runIngestion()`, says how it ended, exits. It ends with its parent.
 */
export async function main(): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  if (process.env['CHAOS_CONTROL'] === 'ledger-after-commit') writeLedgerAfterCommit();
  const app = await compose();
  await say({ kind: 'ready' });
  const [go] = (await once(process, 'message')) as [Go];
  try {
    await say(await run(app.get(BatchOrchestrator), app.get(RunRecorder), go));
  } catch (error) {
    await say({ kind: 'fault', message: inspect(error) });
  }
  process.exit(0);
}

function compose() {
  const config = readConfig(process.env);
  const imports = [KernelModule.forRoot(config), DatabaseModule.forRoot(), RunRecorderModule, BatchOrchestratorModule];
  return NestFactory.createApplicationContext({ module: RunnerModule, imports }, { logger: false });
}

async function run(orchestrator: BatchOrchestrator, recorder: RunRecorder, go: Go): Promise<Said> {
  const order = await recorder.findOrder(go.ingestionId);
  if (order === null) throw new Error(`there is no ingestion ${go.ingestionId}`);
  const entered = await recorder.enter({ ...go, runId: null, scheduled: true });
  await say({ kind: 'entered', runId: entered.id });
  const request = {
    order,
    runId: entered.id,
    parameters: entered.parameters,
    executor: randomUUID(),
    signal: new AbortController().signal,
    report: { log: () => undefined, progress: () => undefined },
  };
  const outcome = await orchestrator.runIngestion(request);
  const ended = outcome === null || outcome === 'held' ? null : { status: outcome.status, summary: outcome.summary };
  return { kind: 'ended', outcome: ended };
}

/** Resolves once it is on its way: a process that exits earlier takes it along. */
function say(what: Said): Promise<void> {
  return new Promise((resolve) => process.send?.(what, () => void resolve()));
}
