import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { SystemClock } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect } from '../../../test/support/fake-prefect';
import { until } from '../../../test/support/until';
import { createClient, createGateway } from './create-gateway';
import * as routes from './prefect/routes';
import type { OrchestrationGateway } from './orchestration-gateway';

const POOL = { PREFECT_WORK_POOL: 'sluice', SLUICE_RUNNER_COMMAND: 'node x', SLUICE_RUNNER_WORKING_DIR: '/' };
const KNOWN_DOWN_MS = 50;

beforeAll(() => {
  Logger.overrideLogger(false);
});

function gatewayAt(urls: string, probeEveryMs = 30): OrchestrationGateway {
  const config = { PREFECT_API_URL: urls, PREFECT_API_AUTH_STRING: undefined, ...POOL };
  return createGateway(config, new SystemClock(), { probeEveryMs });
}

/** The fastest of five, since the machine may be busy with other things; and what each was refused with. */
async function fastest(call: () => Promise<unknown>): Promise<{ ms: number; errors: unknown[] }> {
  const tries = [];
  for (let attempt = 0; attempt < 5; attempt++) tries.push(await timed(call()));
  return { ms: Math.min(...tries.map(({ ms }) => ms)), errors: tries.map(({ error }) => error) };
}

async function timed<T>(call: Promise<T>): Promise<{ ms: number; error: unknown }> {
  const started = performance.now();
  const error = await call.then(
    () => null,
    (refusal: unknown) => refusal,
  );
  return { ms: performance.now() - started, error };
}

const aSpec = () => ({
  ingestionId: randomUUID(),
  title: 'trips',
  timetable: { cron: '0 * * * *', timezone: 'UTC' },
  paused: false,
});

describe('a Prefect that is down', () => {
  let fake: FakePrefect;
  let gateway: OrchestrationGateway;

  beforeEach(async () => {
    fake = await startFakePrefect();
  });

  afterEach(async () => {
    gateway.onModuleDestroy();
    gateway.onApplicationShutdown();
    await fake.stop();
  });

  /** Calls until one is answered without asking. */
  const found = async () => {
    for (let asked = -1; asked !== fake.requests.length;) {
      asked = fake.requests.length;
      await expect(gateway.readFlowRun(randomUUID())).rejects.toThrow();
    }
  };

  it('is found out by callers within a few seconds; then they are answered within 50 ms, with the same reason', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await fake.misbehave('http_500');
    const started = performance.now();
    await found();
    expect(performance.now() - started).toBeLessThan(10_000);
    const asked = fake.requests.length;
    const { ms, errors } = await fastest(() => gateway.readFlowRun(randomUUID()));
    expect(errors[0]).toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE', reason: 'http_5xx' });
    expect(ms).toBeLessThan(KNOWN_DOWN_MS);
    // A trial may be due meanwhile.
    expect(fake.requests.length).toBeLessThanOrEqual(asked + 1);
  });

  it('is tried by one caller after a second while the others are still answered at once; its answer closes the circuit', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await fake.misbehave('http_500');
    await found();
    const circuit = () => gateway.circuits()[0];
    expect(circuit()).toEqual({ server: new URL(fake.apiUrl).host, state: 'open' });
    await fake.behave();
    await fake.misbehave('slow', { ms: 1_500 });
    await sleep(1_050);
    expect(circuit()?.state).toBe('half_open');
    const asked = fake.requests.length;
    const [trial, other] = [timed(gateway.readFlowRun(randomUUID())), timed(gateway.readFlowRun(randomUUID()))];
    expect(await other).toMatchObject({ error: { reason: 'http_5xx' } });
    expect(circuit()?.state).toBe('half_open');
    expect((await other).ms).toBeLessThan(750);
    expect((await trial).error).toBeNull();
    expect(circuit()?.state).toBe('closed');
    expect(fake.requests).toHaveLength(asked + 1);
    await expect(gateway.readFlowRun(randomUUID())).resolves.toBeNull();
  });

  it('is not taken for well because a caller gave up waiting for it', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await fake.misbehave('http_500');
    await found();
    await fake.misbehave('hang');
    await sleep(1_050);
    await expect(gateway.removeDeployment(randomUUID(), AbortSignal.timeout(100))).rejects.toThrow();
    expect(gateway.circuits()[0]?.state).toBe('half_open');
    await fake.behave();
    await expect(gateway.readFlowRun(randomUUID())).resolves.toBeNull();
    expect(gateway.circuits()[0]?.state).toBe('closed');
  });

  it('is not concluded from many calls that fail at one moment', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await fake.misbehave('lost_answer', { times: 60 });
    await Promise.all(Array.from({ length: 20 }, () => gateway.readFlowRun(randomUUID()).catch(() => null)));
    await expect(gateway.readFlowRun(randomUUID())).resolves.toBeNull();
  });

  it('is known by the probe: no caller has to find out, and the first good probe lets all through', async () => {
    gateway = gatewayAt(fake.apiUrl);
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
    await fake.misbehave('down');
    await until(() => !gateway.initialized);
    const { ms, errors } = await fastest(() => gateway.logs(randomUUID(), { offset: 0, limit: 1 }));
    expect(errors).toMatchObject(Array.from({ length: 5 }, () => ({ reason: 'refused' })));
    expect(ms).toBeLessThan(KNOWN_DOWN_MS);
    await fake.behave();
    await until(() => gateway.initialized);
    await expect(gateway.readFlowRun(randomUUID())).resolves.toBeNull();
  });

  it('that is known to hang costs no operation more than 50 ms', async () => {
    gateway = gatewayAt(fake.apiUrl);
    const calls: Record<string, () => Promise<unknown>> = {
      upsertDeployment: () => gateway.upsertDeployment(aSpec()),
      findDeployment: () => gateway.findDeployment(randomUUID()),
      changeDeployment: () => gateway.changeDeployment(randomUUID(), aSpec()),
      setPaused: () => gateway.setPaused(randomUUID(), true),
      removeDeployment: () => gateway.removeDeployment(randomUUID()),
      createFlowRun: () => gateway.createFlowRun({ deploymentId: randomUUID(), ingestionId: 'x', runId: randomUUID() }),
      readFlowRun: () => gateway.readFlowRun(randomUUID()),
      cancelFlowRun: () => gateway.cancelFlowRun(randomUUID()),
      deploymentsOf: () => gateway.deploymentsOf([randomUUID()]),
    };
    await fake.misbehave('hang');
    gateway.onApplicationBootstrap();
    await until(() => fake.requests.length >= 3);
    for (const [name, call] of Object.entries(calls)) {
      const { ms, errors } = await fastest(call);
      for (const error of errors) expect([name, error]).toMatchObject([name, { reason: 'timeout' }]);
      expect([name, ms < KNOWN_DOWN_MS]).toEqual([name, true]);
    }
  }, 30_000);

  it('is not concluded from calls that had little time, nor from refusals', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await fake.misbehave('slow', { ms: 1_200 });
    for (let call = 0; call < 4; call++) {
      await gateway.nextRunTimes([randomUUID()]);
      await sleep(1_300);
    }
    await fake.behave();
    await fake.misbehave('unauthorized', { times: 4 });
    for (let call = 0; call < 4; call++) await expect(gateway.readFlowRun(randomUUID())).rejects.toThrow();
    await expect(gateway.readFlowRun(randomUUID())).resolves.toBeNull();
  });

  it('does not keep a creation whose answer got lost from being looked for', async () => {
    gateway = gatewayAt(fake.apiUrl);
    await gateway.upsertDeployment(aSpec());
    await fake.misbehave('lost_answer', { route: /^POST \/deployments\/$/ });
    for (let call = 0; call < 5; call++) {
      const wanted = aSpec();
      await expect(gateway.upsertDeployment(wanted)).resolves.toMatchObject({ ingestionId: wanted.ingestionId });
    }
  });

  it('is asked again and again by a flow run, which waits through outages', async () => {
    gateway = gatewayAt(fake.apiUrl);
    const runner = createClient(
      { PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined },
      new SystemClock(),
    );
    await fake.misbehave('http_500', { times: 30 });
    for (let call = 0; call < 10; call++) await expect(runner.send(routes.readVersion())).rejects.toThrow();
    await expect(runner.send(routes.readVersion())).resolves.toBe('3.8.8');
    runner.close();
  });
});
