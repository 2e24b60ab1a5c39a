import type { Clock, Config } from '@sluice/kernel';
import { Bootstrap } from './api/bootstrap';
import { Deployments } from './api/deployments';
import { FlowRuns } from './api/flow-runs';
import { probe } from './api/probe';
import { SchedulerCheck } from './api/scheduler-check';
import { PROBE_EVERY_MS, Watch } from './api/watch';
import { OrchestrationGateway } from './orchestration-gateway';
import { PrefectClient } from './prefect/client';
import { Transport } from './prefect/transport';

export type PrefectConfig = Pick<Config, 'PREFECT_API_URL' | 'PREFECT_API_AUTH_STRING'>;
export type GatewayConfig = PrefectConfig &
  Pick<Config, 'PREFECT_WORK_POOL' | 'SLUICE_RUNNER_COMMAND' | 'SLUICE_RUNNER_WORKING_DIR'>;

export interface GatewayOptions {
  /** Milliseconds between two probes while Prefect is usable; default 5,000. For tests. */
  probeEveryMs?: number;
}

export function createClient(config: PrefectConfig, clock: Clock): PrefectClient {
  return new PrefectClient(new Transport(config.PREFECT_API_URL, config.PREFECT_API_AUTH_STRING), clock);
}

/** A gateway that does nothing in the background until its `onApplicationBootstrap`. */
export function createGateway(config: GatewayConfig, clock: Clock, options: GatewayOptions = {}): OrchestrationGateway {
  const prefect = createClient(config, clock);
  const start = { command: config.SLUICE_RUNNER_COMMAND, workingDir: config.SLUICE_RUNNER_WORKING_DIR };
  const bootstrap = new Bootstrap(prefect, config.PREFECT_WORK_POOL, start);
  const deployments = new Deployments(prefect, bootstrap);
  const flowRuns = new FlowRuns(prefect, clock);
  const scheduler = new SchedulerCheck(prefect, flowRuns, clock);
  const probes = { probe: () => probe(prefect, bootstrap), scheduler: () => scheduler.look() };
  const watch = new Watch(probes, clock, options.probeEveryMs ?? PROBE_EVERY_MS);
  return new OrchestrationGateway({ prefect, deployments, flowRuns, scheduler, watch });
}
