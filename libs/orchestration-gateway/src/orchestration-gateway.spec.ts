import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Conflict, KernelModule, SystemClock, ValueError, readConfig } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect, type Misbehaviour } from '../../../test/support/fake-prefect';
import { until } from '../../../test/support/until';
import { createGateway } from './create-gateway';
import { OrchestrationGateway } from './orchestration-gateway';
import { OrchestrationGatewayModule } from './orchestration-gateway.module';
import { RefusedByPrefect } from './prefect/failures';

const PROBE_EVERY_MS = 40;

function configFor(fake: FakePrefect) {
  const url = 'postgresql://127.0.0.1/none';
  return readConfig({ DATABASE_URL: url, DESTINATION_URL: url, PREFECT_API_URL: fake.apiUrl });
}

const spec = () => ({
  ingestionId: randomUUID(),
  title: 'trips',
  timetable: { cron: '0 * * * *', timezone: 'UTC' },
  paused: false,
});

beforeAll(() => {
  Logger.overrideLogger(false);
});

describe('the gateway', () => {
  let fake: FakePrefect;
  let gateway: OrchestrationGateway;

  beforeEach(async () => {
    fake = await startFakePrefect();
    gateway = createGateway(configFor(fake), new SystemClock(), { probeEveryMs: PROBE_EVERY_MS });
    gateway.speakFor(randomUUID());
  });

  afterEach(async () => {
    gateway.onModuleDestroy();
    gateway.onApplicationShutdown();
    await fake.stop();
  });

  const writesTo = (path: RegExp) =>
    fake.requests.filter((request) => request.method !== 'GET' && path.test(request.path));

  const bootstrapped = async () => {
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
  };

  it('says not_initialized before its first probe, without asking Prefect', () => {
    expect(() => {
      gateway.assertInitialized();
    }).toThrow(expect.objectContaining({ reason: 'not_initialized' }));
    expect(fake.requests).toHaveLength(0);
  });

  it('makes flow and pool once, and then only reads', async () => {
    gateway.onApplicationBootstrap();
    await until(() => fake.requests.filter((request) => request.path === '/admin/version').length >= 5);
    expect(fake.flows.map((flow) => flow.name)).toEqual(['run-ingestion', 'sluice-canary']);
    expect(fake.workPools.map((pool) => [pool.name, pool.type])).toEqual([['sluice', 'process']]);
    expect(writesTo(/^\/flows\/$|^\/work_pools\/(sluice)?$/)).toHaveLength(3);
  });

  it('leaves a pool of another type alone', async () => {
    fake.workPools.push({ id: randomUUID(), name: 'sluice', type: 'docker', base_job_template: {}, is_paused: false });
    await bootstrapped();
    expect(fake.workPools[0]?.base_job_template).toEqual({});
  });

  it.each<[Misbehaviour, string]>([
    ['down', 'refused'],
    ['http_500', 'http_5xx'],
    ['unauthorized', 'auth'],
    ['html', 'protocol'],
  ])('turns false when Prefect is %s, says %s, and turns true again', async (kind, reason) => {
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
    await fake.misbehave(kind);
    await until(() => !gateway.initialized);
    expect(gateway.status()).toMatchObject({ initialized: false, reason, workersOnline: 0, scheduler: 'unknown' });
    await fake.behave();
    await until(() => gateway.initialized);
    expect(gateway.status()).toMatchObject({ initialized: true, reason: null, prefectVersion: '3.8.8' });
  });

  it('does not work with a Prefect out of range', async () => {
    fake.version = '4.0.0';
    gateway.onApplicationBootstrap();
    await until(() => gateway.status().reason === 'version');
    expect(gateway.initialized).toBe(false);
  });

  it('counts the workers that are online', async () => {
    fake.workers.push({ name: 'a', status: 'ONLINE' }, { name: 'b', status: 'OFFLINE' });
    await bootstrapped();
    expect(gateway.status().workersOnline).toBe(1);
  });

  it('tells beside the flag whether the scheduler lives', async () => {
    await bootstrapped();
    await until(() => gateway.status().scheduler === 'alive');
  });

  it('finds by name a deployment whose creation was answered into the void', async () => {
    await bootstrapped();
    await fake.misbehave('lost_answer', { route: /^POST \/deployments\/$/ });
    const wanted = spec();
    const made = await gateway.upsertDeployment(wanted);
    expect(made).toMatchObject({ ingestionId: wanted.ingestionId, timetable: wanted.timetable });
    expect(fake.deployments.map((deployment) => deployment.id)).toEqual([made.id]);
  });

  it('makes the pool again when it vanished just before a creation', async () => {
    await expect(gateway.upsertDeployment(spec())).resolves.toMatchObject({ paused: false });
    expect(fake.workPools.map((pool) => pool.name)).toEqual(['sluice']);
  });

  it('posts a deployment once and changes it by PATCH ever after', async () => {
    await bootstrapped();
    const wanted = spec();
    const { id } = await gateway.upsertDeployment(wanted);
    await gateway.upsertDeployment({ ...wanted, timetable: { cron: '5 * * * *', timezone: 'UTC' } });
    await gateway.changeDeployment(id, { ...wanted, timetable: { cron: '6 * * * *', timezone: 'UTC' } });
    const posted = writesTo(/^\/deployments\/$/).map(({ body }) => (body as { name: string }).name);
    expect(posted.filter((name) => name.startsWith('ingestion-'))).toHaveLength(1);
    expect(writesTo(new RegExp(`^/deployments/${id}$`)).map((request) => request.method)).toEqual(['PATCH', 'PATCH']);
  });

  it('lists more deployments than fit on a page', async () => {
    await bootstrapped();
    const wanted = Array.from({ length: 450 }, spec);
    for (const one of wanted) await gateway.upsertDeployment({ ...one, timetable: null });
    const listed: (string | null)[] = [];
    for await (const page of gateway.deploymentPages()) listed.push(...page.map((item) => item.ingestionId));
    expect([...new Set(listed)].sort()).toEqual(wanted.map((item) => item.ingestionId).sort());
  });

  it('asks for few deployments at a time: each with a cron costs Prefect 10 ms', async () => {
    await bootstrapped();
    const wanted = Array.from({ length: 120 }, spec);
    for (const one of wanted) await gateway.upsertDeployment({ ...one, timetable: null });
    for await (const page of gateway.deploymentPages()) expect(page.length).toBeLessThanOrEqual(50);
    const ids = wanted.map(({ ingestionId }) => ingestionId);
    const held = await gateway.deploymentsOf(ids);
    expect(held.map(({ ingestionId }) => ingestionId).sort()).toEqual(ids.sort());
    const limits = writesTo(/^\/deployments\/filter$/).map(({ body }) => (body as { limit: number }).limit);
    expect(Math.max(...limits)).toBeLessThanOrEqual(50);
  });

  it('finds the next run of every deployment though the busiest fill whole pages', async () => {
    const minutely = { cron: '* * * * *', timezone: 'UTC' };
    const made = [];
    for (let turn = 0; turn < 230; turn++)
      made.push(await gateway.upsertDeployment({ ...spec(), timetable: minutely }));
    made.push(await gateway.upsertDeployment({ ...spec(), timetable: { cron: '0 0 1 1 *', timezone: 'UTC' } }));
    const ids = made.map((item) => item.id);
    await until(async () => (await gateway.nextRunTimes(ids)).size === 231);
  });

  it('knows no next run when Prefect does not answer, and does not complain', async () => {
    await fake.misbehave('hang');
    const started = performance.now();
    await expect(gateway.nextRunTimes([randomUUID()])).resolves.toEqual(new Map());
    // 300 ms and what a busy machine adds; an operation would wait for 5 s.
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('gives up removing when its caller does', async () => {
    const wanted = spec();
    await gateway.upsertDeployment(wanted);
    await fake.misbehave('hang', { route: /^DELETE/ });
    await expect(gateway.removeDeployment(wanted.ingestionId, AbortSignal.timeout(100))).rejects.toMatchObject({
      reason: 'timeout',
    });
  });

  it('leaves the deployment of another installation alone, whatever it is asked to do with it', async () => {
    const wanted = spec();
    const { id } = await gateway.upsertDeployment(wanted);
    gateway.speakFor(randomUUID());
    const before = JSON.stringify(fake.deployments);
    await expect(gateway.removeDeployment(wanted.ingestionId)).resolves.toBeUndefined();
    const calls = [
      () => gateway.upsertDeployment({ ...wanted, paused: true }),
      () => gateway.changeDeployment(id, { ...wanted, paused: true }),
      () => gateway.setPaused(id, true),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(Conflict);
    expect(JSON.stringify(fake.deployments)).toBe(before);
  });

  it('meets an unknown kind of state with an error, not with a guess', async () => {
    const { id } = await gateway.upsertDeployment(spec());
    const { flowRunId } = await gateway.createFlowRun({
      deploymentId: id,
      ingestionId: randomUUID(),
      runId: randomUUID(),
    });
    for (const run of fake.flowRuns) Object.assign(run.state, { type: 'HIBERNATING' });
    await expect(gateway.readFlowRun(flowRunId)).rejects.toMatchObject({ reason: 'protocol' });
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['upsertDeployment', () => gateway.upsertDeployment(spec())],
    ['findDeployment', (id) => gateway.findDeployment(id)],
    ['changeDeployment', (id) => gateway.changeDeployment(id, spec())],
    ['setPaused', (id) => gateway.setPaused(id, true)],
    ['removeDeployment', (id) => gateway.removeDeployment(id)],
    ['createFlowRun', (id) => gateway.createFlowRun({ deploymentId: id, ingestionId: id, runId: id })],
    ['readFlowRun', (id) => gateway.readFlowRun(id)],
    ['cancelFlowRun', (id) => gateway.cancelFlowRun(id)],
    ['logs', (id) => gateway.logs(id, { offset: 0, limit: 10 })],
    ['deploymentsOf', (id) => gateway.deploymentsOf([id])],
    ['deploymentPages', () => gateway.deploymentPages().next()],
  ])('%s is unavailable, and nothing else, when Prefect answers with a web page', async (_, call) => {
    await fake.misbehave('html');
    await expect(call(randomUUID())).rejects.toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE', reason: 'protocol' });
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['setPaused', (id) => gateway.setPaused(id, true)],
    ['createFlowRun', (id) => gateway.createFlowRun({ deploymentId: id, ingestionId: id, runId: id })],
    ['deploymentsOf', (id) => gateway.deploymentsOf([id])],
    ['deploymentPages', () => gateway.deploymentPages().next()],
  ])('%s has no value of a caller in it: a refusal of Prefect is a mistake of ours', async (_, call) => {
    await fake.misbehave('unprocessable');
    await expect(call(randomUUID())).rejects.toThrow(RefusedByPrefect);
  });

  it.each<Misbehaviour>(['conflict', 'unprocessable'])("a value refused by %s is the caller's error", async (kind) => {
    await gateway.upsertDeployment(spec());
    await fake.misbehave(kind, { route: /^POST \/deployments\/$/ });
    await expect(gateway.upsertDeployment(spec())).rejects.toThrow(ValueError);
  });

  it("passes on a value that Prefect refuses as the caller's error", async () => {
    const wanted = { ...spec(), timetable: { cron: '0 * * * *', timezone: 'Mars/Olympus' } };
    await expect(gateway.upsertDeployment(wanted)).rejects.toThrow(ValueError);
  });
});

describe('the gateway as a Nest module', () => {
  it('starts with the application though Prefect is down, and ends with it', async () => {
    const fake = await startFakePrefect();
    await fake.misbehave('down');
    const imports = [
      KernelModule.forRoot(configFor(fake)),
      OrchestrationGatewayModule.forApi({ probeEveryMs: PROBE_EVERY_MS }),
    ];
    const app = (await Test.createTestingModule({ imports }).compile()).createNestApplication();
    await app.init();
    expect(app.get(OrchestrationGateway).initialized).toBe(false);
    await fake.behave();
    await until(() => app.get(OrchestrationGateway).initialized);
    await app.close();
    await sleep(3 * PROBE_EVERY_MS);
    const asked = fake.requests.length;
    await sleep(5 * PROBE_EVERY_MS);
    expect(fake.requests).toHaveLength(asked);
    await fake.stop();
  });
});
