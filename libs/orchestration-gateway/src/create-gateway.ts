import type { Clock, Config } from '@sluice/kernel';
import { Bootstrap } from './api/bootstrap';
import { Canary } from './api/canary';
import { Deployments } from './api/deployments';
import { FlowRuns } from './api/flow-runs';
import { NextRuns } from './api/next-runs';
import { ServerProbe, probe, probeAll } from './api/probe';
import { SchedulerCheck } from './api/scheduler-check';
import { PROBE_EVERY_MS, Watch } from './api/watch';
import { OrchestrationGateway } from './orchestration-gateway';
import { PrefectClient } from './prefect/client';
import { CsrfGuard } from './prefect/csrf';
import { Server, Servers } from './prefect/servers';
import { Transport } from './prefect/transport';

export type PrefectConfig = Pick<Config, 'PREFECT_API_URL' | 'PREFECT_API_AUTH_STRING'>;
export type GatewayConfig = PrefectConfig &
  Pick<Config, 'PREFECT_WORK_POOL' | 'SLUICE_RUNNER_COMMAND' | 'SLUICE_RUNNER_WORKING_DIR'>;

export interface GatewayOptions {
  /** Milliseconds between two probes while Prefect is usable; default 5,000. For tests. */
  probeEveryMs?: number;
  /** The work pool's command is left as it is found; default false. For programs whose own settings are not those of the API. */
  leavesPool?: boolean;
}

/** For a process that waits through outages: no circuit breaker stands between it and Prefect. */
export function createClient(config: PrefectConfig, clock: Clock): PrefectClient {
  return new PrefectClient(serversOf(config), clock, true);
}

/** A gateway that does nothing in the background until its `onApplicationBootstrap`. */
export function createGateway(config: GatewayConfig, clock: Clock, options: GatewayOptions = {}): OrchestrationGateway {
  const prefect = new PrefectClient(serversOf(config), clock);
  const deployments = new Deployments(prefect, bootstrapOf(prefect, config, options));
  const flowRuns = new FlowRuns(prefect, clock, () => deployments.installation);
  const scheduler = new SchedulerCheck(prefect, new Canary(prefect), clock);
  const probes = { probe: proberOf(prefect, config, options), scheduler: () => scheduler.look() };
  const watch = new Watch(probes, clock, options.probeEveryMs ?? PROBE_EVERY_MS);
  const nextRuns = new NextRuns(flowRuns, prefect, clock, () => watch.knowsDown);
  return new OrchestrationGateway({ prefect, deployments, flowRuns, nextRuns, watch });
}

function serversOf({ PREFECT_API_URL, PREFECT_API_AUTH_STRING }: PrefectConfig): Servers {
  const [first = '', ...others] = PREFECT_API_URL.split(',');
  const server = (url: string) =>
    new Server(new URL(url).host, new CsrfGuard(new Transport(url, PREFECT_API_AUTH_STRING)));
  return new Servers([server(first), ...others.map(server)]);
}

function bootstrapOf(prefect: PrefectClient, config: GatewayConfig, { leavesPool = false }: GatewayOptions): Bootstrap {
  const start = { command: config.SLUICE_RUNNER_COMMAND, workingDir: config.SLUICE_RUNNER_WORKING_DIR };
  return new Bootstrap(prefect, config.PREFECT_WORK_POOL, start, leavesPool);
}

function proberOf(prefect: PrefectClient, config: GatewayConfig, options: GatewayOptions) {
  const probes = prefect.servers.all.map((server) => {
    const only = prefect.at(server);
    const bootstrap = bootstrapOf(only, config, options);
    return new ServerProbe(server, () => probe(only, bootstrap));
  });
  return () => probeAll(probes, () => prefect.servers.good);
}
