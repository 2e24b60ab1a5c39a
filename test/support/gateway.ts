import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { SystemClock } from '@sluice/kernel';
import {
  type Deployment,
  type DeploymentSpec,
  FlowRunSession,
  type OrchestrationGateway,
} from '@sluice/orchestration-gateway';
import { createClient, createGateway } from '../../libs/orchestration-gateway/src/create-gateway';
import { until } from './until';

export const HOURLY = { cron: '0 * * * *', timezone: 'UTC' };

export type Json = Record<string, unknown>;

/** A gateway with a work pool of its own. */
export interface TestGateway {
  gateway: OrchestrationGateway;
  pool: string;
  /** A deployment of a new ingestion, hourly unless it is told otherwise, which goes with the gateway. */
  deployed(fields?: Partial<DeploymentSpec>): Promise<{ spec: DeploymentSpec; deployment: Deployment }>;
  /** As the flow-runner has it; whoever made it closes it. */
  session(flowRunId: string): FlowRunSession;
  /** What Prefect's API itself says; `json` is `null` without a body. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; json: Json }>;
  close(): Promise<void>;
}

export function aSpec(fields: Partial<DeploymentSpec> = {}): DeploymentSpec {
  return { ingestionId: randomUUID(), title: 'trips', timetable: HOURLY, paused: false, ...fields };
}

/** Resolves once its probe has found Prefect usable. */
export async function startGateway(apiUrl: string, installation?: string): Promise<TestGateway> {
  Logger.overrideLogger(false);
  const [clock, pool] = [new SystemClock(), `contract-${randomUUID().slice(0, 8)}`];
  const server = { PREFECT_API_URL: apiUrl, PREFECT_API_AUTH_STRING: undefined };
  const runner = { SLUICE_RUNNER_COMMAND: 'node main.js', SLUICE_RUNNER_WORKING_DIR: '/srv/sluice' };
  const config = { ...server, ...runner, PREFECT_WORK_POOL: pool };
  const gateway = createGateway(config, clock, { probeEveryMs: 100 });
  if (installation !== undefined) gateway.speakFor(installation);
  const call = callerOf(apiUrl);
  const made: string[] = [];
  gateway.onApplicationBootstrap();
  await until(() => gateway.initialized, 60_000);
  return {
    ...{ gateway, pool, call },
    deployed: async (fields) => {
      const spec = aSpec(fields);
      made.push(spec.ingestionId);
      return { spec, deployment: await gateway.upsertDeployment(spec) };
    },
    session: (flowRunId) => new FlowRunSession(createClient(server, clock), clock, flowRunId),
    close: async () => {
      for (const id of made) await gateway.removeDeployment(id);
      gateway.onModuleDestroy();
      await call('DELETE', `/work_pools/${pool}`);
      gateway.onApplicationShutdown();
    },
  };
}

function callerOf(apiUrl: string): TestGateway['call'] {
  return async (method, path, body) => {
    const init = { method, headers: { 'content-type': 'application/json' } };
    const answer = await fetch(apiUrl + path, body === undefined ? init : { ...init, body: JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, json: (text === '' ? null : JSON.parse(text)) as Json };
  };
}
