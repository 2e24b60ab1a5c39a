import { randomUUID } from 'node:crypto';
import { ValueError } from '@sluice/kernel';
import type { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { startFakePrefect } from '../support/fake-prefect';
import { aSpec, HOURLY, type Json, startGateway, type TestGateway } from '../support/gateway';
import { describeWithPrefect, realPrefect } from '../support/prefect';
import { until } from '../support/until';

interface Prefect {
  apiUrl: string;
  stop: () => Promise<void>;
}

const NOWHERE = '00000000-0000-4000-8000-000000000000';

/** What holds for the gateway with any Prefect, and what any Prefect does that the gateway counts on. */
const contract = (start: () => Promise<Prefect>) => () => {
  const installation = randomUUID();
  let prefect: Prefect;
  let gateway: OrchestrationGateway;
  let pool: string;
  let test: TestGateway;

  beforeAll(async () => {
    prefect = await start();
    test = await startGateway(prefect.apiUrl, installation);
    ({ gateway, pool } = test);
  }, 120_000);

  afterAll(async () => {
    await test.close();
    await prefect.stop();
  });

  const call: TestGateway['call'] = (...request) => test.call(...request);
  const create: TestGateway['deployed'] = (fields) => test.deployed(fields);
  const session: TestGateway['session'] = (flowRunId) => test.session(flowRunId);

  const trigger = async (runId: string = randomUUID()) => {
    const { spec, deployment } = await create({ timetable: null });
    const request = { deploymentId: deployment.id, ingestionId: spec.ingestionId, runId };
    return { request, ...(await gateway.createFlowRun(request)) };
  };

  const propose = async (flowRunId: string, type: string, transitionId = randomUUID()) => {
    const state = { type, state_details: { transition_id: transitionId } };
    const { status, json } = await call('POST', `/flow_runs/${flowRunId}/set_state`, { state });
    return { http: status, verdict: json['status'], now: (json['state'] as Json | null)?.['type'] };
  };

  describe('the work pool', () => {
    it('is made with the command and folder of the flow-runner', async () => {
      const { json } = await call('GET', `/work_pools/${pool}`);
      const variables = (json['base_job_template'] as Json)['variables'] as { properties: Record<string, Json> };
      expect(json['type']).toBe('process');
      expect(variables.properties['command']?.['default']).toBe('node main.js');
      expect(variables.properties['working_dir']?.['default']).toBe('/srv/sluice');
    });

    it('comes back after somebody deleted it', async () => {
      await call('DELETE', `/work_pools/${pool}`);
      await until(async () => (await call('GET', `/work_pools/${pool}`)).status === 200);
      expect(gateway.status()).toMatchObject({ initialized: true, reason: null, workersOnline: 0 });
    });

    it('gets its command back after somebody changed it, and keeps what else they changed', async () => {
      const before = (await call('GET', `/work_pools/${pool}`)).json['base_job_template'] as Json;
      const variables = before['variables'] as { properties: Record<string, Json> };
      const properties = {
        ...variables.properties,
        command: { type: 'string', default: 'true' },
        extra: { type: 'string', default: 'x' },
      };
      await call('PATCH', `/work_pools/${pool}`, {
        base_job_template: { ...before, variables: { ...variables, properties } },
      });
      const read = async () => {
        const { json } = await call('GET', `/work_pools/${pool}`);
        return ((json['base_job_template'] as Json)['variables'] as { properties: Record<string, Json> }).properties;
      };
      await until(async () => (await read())['command']?.['default'] === 'node main.js');
      expect((await read())['extra']).toEqual({ type: 'string', default: 'x' });
    });
  });

  describe('a deployment', () => {
    it('is made with the name, tag, description, parameters and schedule of its ingestion', async () => {
      const { spec, deployment } = await create();
      const { json } = await call('GET', `/deployments/${deployment.id}`);
      expect(json).toMatchObject({
        name: `ingestion-${spec.ingestionId}`,
        tags: ['sluice', `sluice:${installation}`],
        description: 'trips',
        paused: false,
        work_pool_name: pool,
        parameters: { ingestion_id: spec.ingestionId },
        enforce_parameter_schema: false,
        schedules: [{ slug: 'main', active: true, schedule: HOURLY }],
      });
      expect(deployment).toMatchObject({ ingestionId: spec.ingestionId, timetable: HOURLY, paused: false });
    });

    it('made a second time is the same one with the same schedule', async () => {
      const { spec, deployment } = await create();
      await expect(gateway.upsertDeployment(spec)).resolves.toEqual(deployment);
    });

    it('keeps its schedule id when its timetable changes', async () => {
      const { spec, deployment } = await create();
      const timetable = { cron: '30 14 * * *', timezone: 'Europe/Berlin' };
      await expect(gateway.changeDeployment(deployment.id, { ...spec, timetable })).resolves.toEqual(deployment);
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toEqual({ ...deployment, timetable });
    });

    it('is not written when only the title differs', async () => {
      const { spec, deployment } = await create();
      const before = await call('GET', `/deployments/${deployment.id}`);
      await gateway.changeDeployment(deployment.id, { ...spec, title: 'another' });
      await expect(call('GET', `/deployments/${deployment.id}`)).resolves.toEqual(before);
    });

    it('gets the new title along with a new timetable', async () => {
      const { spec, deployment } = await create();
      await gateway.changeDeployment(deployment.id, {
        ...spec,
        title: 'another',
        timetable: { ...HOURLY, timezone: 'Asia/Tokyo' },
      });
      expect((await call('GET', `/deployments/${deployment.id}`)).json['description']).toBe('another');
    });

    it('loses its timetable and gets one again', async () => {
      const { spec, deployment } = await create();
      await gateway.changeDeployment(deployment.id, { ...spec, timetable: null });
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toMatchObject({
        timetable: null,
        scheduleId: null,
      });
      await gateway.changeDeployment(deployment.id, spec);
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toMatchObject({ timetable: HOURLY });
    });

    it('gets an inactive schedule switched on again', async () => {
      const { spec, deployment } = await create();
      await call('PATCH', `/deployments/${deployment.id}`, { schedules: [{ slug: 'main', active: false }] });
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toMatchObject({ timetable: null });
      await gateway.changeDeployment(deployment.id, spec);
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toEqual(deployment);
    });

    it('is paused and resumed, each as often as one likes', async () => {
      const { spec, deployment } = await create();
      for (const paused of [true, true, false, false]) {
        await expect(gateway.setPaused(deployment.id, paused)).resolves.toBe(true);
        await expect(gateway.findDeployment(spec.ingestionId)).resolves.toEqual({ ...deployment, paused });
      }
    });

    it('is paused by a change of its spec too', async () => {
      const { spec, deployment } = await create();
      await gateway.changeDeployment(deployment.id, { ...spec, paused: true });
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toEqual({ ...deployment, paused: true });
    });

    it('has its next run planned, and none while it is paused', async () => {
      const { deployment } = await create();
      const nextRun = async () => (await gateway.nextRunTimes([deployment.id])).get(deployment.id);
      await until(async () => (await nextRun()) !== undefined);
      const next = await nextRun();
      expect([next?.getUTCMinutes(), next?.getUTCSeconds()]).toEqual([0, 0]);
      expect(Number(next) - Date.now()).toBeLessThanOrEqual(3_600_000);
      await gateway.setPaused(deployment.id, true);
      await expect(gateway.nextRunTimes([deployment.id])).resolves.toEqual(new Map());
    }, 60_000);

    it('is listed as ours, and found by its name, and is no stranger', async () => {
      const { deployment } = await create();
      const ours = { ...deployment, owner: 'ours' };
      const listed = [];
      for await (const page of gateway.deploymentPages()) listed.push(...page);
      expect(listed).toContainEqual(expect.objectContaining(ours));
      const [found] = await gateway.deploymentsOf([deployment.ingestionId ?? '']);
      expect(found).toMatchObject(ours);
      expect((await gateway.strangers()).map(({ id }) => id)).not.toContain(deployment.id);
    });

    it('that does not exist is null, false or gone, never an error', async () => {
      await expect(gateway.findDeployment(NOWHERE)).resolves.toBeNull();
      await expect(gateway.changeDeployment(NOWHERE, aSpec())).resolves.toBeNull();
      await expect(gateway.setPaused(NOWHERE, true)).resolves.toBe(false);
      await expect(gateway.removeDeployment(NOWHERE)).resolves.toBeUndefined();
    });

    it.each([
      { cron: 'bad', timezone: 'UTC' },
      { cron: '0 * * * *', timezone: 'Mars/Olympus' },
    ])('with the timetable %j, which Prefect refuses, is a ValueError and not made', async (timetable) => {
      const spec = aSpec({ timetable });
      await expect(gateway.upsertDeployment(spec)).rejects.toThrow(ValueError);
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toBeNull();
    });

    it('is removed after its active runs were cancelled, and removed again without complaint', async () => {
      const { request, flowRunId } = await trigger();
      const waiting = await gateway.createFlowRun({ ...request, runId: randomUUID() });
      await propose(flowRunId, 'RUNNING');
      await gateway.removeDeployment(request.ingestionId);
      await expect(gateway.findDeployment(request.ingestionId)).resolves.toBeNull();
      await expect(gateway.readFlowRun(flowRunId)).resolves.toMatchObject({ phase: 'cancelling' });
      await expect(gateway.readFlowRun(waiting.flowRunId)).resolves.toBeNull();
      await expect(gateway.removeDeployment(request.ingestionId)).resolves.toBeUndefined();
    });
  });

  describe('a flow run', () => {
    it('is made once for a run, however often it is asked for', async () => {
      const { request, flowRunId } = await trigger();
      await expect(gateway.createFlowRun(request)).resolves.toEqual({ flowRunId });
      await expect(gateway.readFlowRun(flowRunId)).resolves.toMatchObject({
        deploymentId: request.deploymentId,
        phase: 'scheduled',
        parameters: { ingestionId: request.ingestionId, runId: request.runId },
        scheduledByTimetable: false,
      });
    });

    it("of another installation's deployment is cancelled and refused, and tells whoever was faster that it is crossed", async () => {
      const { deployment, spec } = await create({ timetable: null });
      const request = { deploymentId: deployment.id, ingestionId: spec.ingestionId, runId: randomUUID() };
      gateway.speakFor(randomUUID());
      await expect(gateway.createFlowRun(request)).rejects.toThrow(
        `Deployment ${deployment.name} in Prefect belongs to another Sluice (sluice:${installation})`,
      );
      gateway.speakFor(installation);
      const crossed = (await gateway.flowRunsMadeFor([request.runId])).get(request.runId);
      expect(crossed).toMatchObject({ phase: 'cancelled', isCrossed: true });
      const own = await gateway.createFlowRun({ ...request, runId: randomUUID() });
      expect(await gateway.readFlowRun(own.flowRunId)).toMatchObject({ phase: 'scheduled', isCrossed: false });
    });

    it('of a deployment that is missing is unavailable, not a success', async () => {
      const request = { deploymentId: NOWHERE, ingestionId: NOWHERE, runId: randomUUID() };
      await expect(gateway.createFlowRun(request)).rejects.toMatchObject({ reason: 'not_initialized' });
    });

    it('that does not exist is null', async () => {
      await expect(gateway.readFlowRun(NOWHERE)).resolves.toBeNull();
      await expect(gateway.cancelFlowRun(NOWHERE)).resolves.toBeNull();
      await expect(session(NOWHERE).read()).resolves.toBeNull();
    });

    it('is cancelled at once when no process has it, else asked to cancel, and stays ended when it is', async () => {
      const { flowRunId } = await trigger();
      await expect(gateway.cancelFlowRun(flowRunId)).resolves.toBe('cancelled');
      const { flowRunId: running } = await trigger();
      await propose(running, 'RUNNING');
      await expect(gateway.cancelFlowRun(running)).resolves.toBe('cancelling');
      await expect(gateway.cancelFlowRun(running)).resolves.toBe('cancelling');
      const { flowRunId: ended } = await trigger();
      await propose(ended, 'COMPLETED');
      await expect(gateway.cancelFlowRun(ended)).resolves.toBe('completed');
    });

    it.each([
      ['success', 'completed', 'Completed'],
      ['partial', 'completed', 'Partial'],
      ['skipped', 'completed', 'Skipped'],
      ['failed', 'failed', 'Failed'],
      ['crashed', 'crashed', 'Crashed'],
      ['cancelled', 'cancelled', 'Cancelled'],
    ] as const)('that ends as %s is %s in Prefect, named %s', async (outcome, phase, name) => {
      const { flowRunId } = await trigger();
      const runner = session(flowRunId);
      await expect(runner.proposeRunning()).resolves.toBe(true);
      await expect(runner.finish(outcome, 'told')).resolves.toBe(phase);
      const { json } = await call('GET', `/flow_runs/${flowRunId}`);
      expect(json['state']).toMatchObject({ name, message: 'told' });
      await runner.close();
    });

    it('that is being cancelled ends as cancelled, whatever was proposed', async () => {
      const { flowRunId } = await trigger();
      const runner = session(flowRunId);
      await runner.proposeRunning();
      const { cancelled } = runner;
      await gateway.cancelFlowRun(flowRunId);
      await until(() => cancelled.aborted);
      await expect(runner.finish('success', 'too late')).resolves.toBe('cancelled');
      await runner.close();
    });

    it('that somebody gave retries ends as failed all the same, by its process or for it', async () => {
      const { request } = await trigger();
      const retried = async () => {
        const body = { parameters: { ingestion_id: request.ingestionId }, empirical_policy: { retries: 3 } };
        const { json } = await call('POST', `/deployments/${request.deploymentId}/create_flow_run`, body);
        await propose(String(json['id']), 'RUNNING');
        return String(json['id']);
      };
      const told = await retried();
      const runner = session(told);
      await expect(runner.finish('failed', 'No file could be read.')).resolves.toBe('failed');
      await runner.close();
      await expect(gateway.readFlowRun(told)).resolves.toMatchObject({
        phase: 'failed',
        message: 'No file could be read.',
      });
      await expect(gateway.endFlowRun(await retried(), 'failed', 'x')).resolves.toBe('failed');
    });

    it.each(['CANCELLED', 'COMPLETED', 'CRASHED'])('that is already %s does not start', async (type) => {
      const { flowRunId } = await trigger();
      await propose(flowRunId, type);
      const runner = session(flowRunId);
      await expect(runner.proposeRunning()).resolves.toBe(false);
      await runner.close();
    });

    it('that a worker has claimed is listed until it has ended, and is ended once, as it was first said', async () => {
      const { flowRunId } = await trigger();
      const isListed = async () => (await gateway.claimedFlowRuns()).some(({ id }) => id === flowRunId);
      expect(await isListed()).toBe(false);
      await propose(flowRunId, 'PENDING');
      expect(await isListed()).toBe(true);
      expect((await gateway.claimedFlowRuns()).find(({ id }) => id === flowRunId)).toMatchObject({ workPool: pool });
      await propose(flowRunId, 'RUNNING');
      expect(await gateway.endFlowRun(flowRunId, 'crashed', 'gone')).toBe('crashed');
      expect(await isListed()).toBe(false);
      expect(await gateway.endFlowRun(flowRunId, 'success', 'too late')).toBe('crashed');
      expect(await gateway.readFlowRun(flowRunId)).toMatchObject({ phase: 'crashed', message: 'gone' });
      expect(await gateway.endFlowRun(NOWHERE, 'crashed', 'gone')).toBeNull();
    });

    it('that is being cancelled is ended as cancelled', async () => {
      const { flowRunId } = await trigger();
      await propose(flowRunId, 'PENDING');
      await propose(flowRunId, 'RUNNING');
      await gateway.cancelFlowRun(flowRunId);
      expect(await gateway.endFlowRun(flowRunId, 'crashed', 'gone')).toBe('cancelled');
    });

    it('can be made once more in place of the first one, and knows that it was', async () => {
      const { request, flowRunId } = await trigger();
      const second = await gateway.createFlowRun({ ...request, instead: true });
      expect(second.flowRunId).not.toBe(flowRunId);
      expect(await gateway.createFlowRun({ ...request, instead: true })).toEqual(second);
      const both = await gateway.readFlowRuns([flowRunId, second.flowRunId, NOWHERE]);
      expect([flowRunId, second.flowRunId, NOWHERE].map((id) => both.get(id)?.isInstead)).toEqual([
        false,
        true,
        undefined,
      ]);
    });

    it('knows whether it is the one that was made for its run', async () => {
      const { request, flowRunId } = await trigger();
      const { flowRunId: second } = await gateway.createFlowRun({ ...request, instead: true });
      const parameters = { ingestion_id: request.ingestionId, run_id: request.runId };
      const { json } = await call('POST', `/deployments/${request.deploymentId}/create_flow_run`, { parameters });
      const all = await gateway.readFlowRuns([flowRunId, second, json['id'] as string]);
      expect([flowRunId, second, json['id'] as string].map((id) => all.get(id)?.isOfItsRun)).toEqual([
        true,
        false,
        false,
      ]);
    });

    it('is found by the run it was made for, whatever became of it; the one made instead and a copy are not', async () => {
      const { request, flowRunId } = await trigger();
      await gateway.createFlowRun({ ...request, instead: true });
      const parameters = { ingestion_id: request.ingestionId, run_id: request.runId };
      await call('POST', `/deployments/${request.deploymentId}/create_flow_run`, { parameters });
      const found = await gateway.flowRunsMadeFor([request.runId, NOWHERE]);
      expect([...found]).toEqual([[request.runId, expect.objectContaining({ id: flowRunId, phase: 'scheduled' })]]);
      await gateway.cancelFlowRun(flowRunId);
      expect((await gateway.flowRunsMadeFor([request.runId])).get(request.runId)).toMatchObject({ phase: 'cancelled' });
    });

    it('of the timetable that broke is found, whether it was RUNNING or not', async () => {
      const { deployment } = await create({ timetable: null });
      const body = { tags: ['sluice', 'auto-scheduled'] };
      const planned = async () =>
        (await call('POST', `/deployments/${deployment.id}/create_flow_run`, body)).json['id'] as string;
      const [crashed, failed, ran, open] = [await planned(), await planned(), await planned(), await planned()];
      for (const [id, ...types] of [
        [crashed, 'PENDING', 'CRASHED'],
        [failed, 'PENDING', 'FAILED'],
        [ran, 'PENDING', 'RUNNING', 'CRASHED'],
        [open, 'PENDING'],
      ] as const)
        for (const type of types) await propose(id, type);
      const [now, hour] = [Date.now(), 3_600_000];
      const ours = async (since: number) =>
        (await gateway.brokenTicks(new Date(since)))
          .filter(({ deploymentId }) => deploymentId === deployment.id)
          .map(({ id }) => id)
          .sort();
      expect(await ours(now - hour)).toEqual([crashed, failed, ran].sort());
      expect(await ours(now + hour)).toEqual([]);
    });

    it('has its log lines in the order they were written', async () => {
      const { flowRunId } = await trigger();
      const runner = session(flowRunId);
      const messages = Array.from({ length: 250 }, (_, index) => `line ${index}`);
      for (const message of messages) runner.log('info', message);
      runner.log('error', 'nul \0 goes');
      await runner.close();
      const first = await gateway.logs(flowRunId, { offset: 0, limit: 200 });
      const rest = await gateway.logs(flowRunId, { offset: 200, limit: 200 });
      expect([...first, ...rest].map((line) => line.message)).toEqual([...messages, 'nul  goes']);
      expect(rest.at(-1)).toMatchObject({ level: 'error', message: 'nul  goes' });
    });

    it('leaves a markdown artifact and one progress artifact', async () => {
      const { flowRunId } = await trigger();
      const runner = session(flowRunId);
      await runner.leaveMarkdown('result-of-run', '# 3 files');
      await runner.progress(10, 'started');
      await runner.progress(150, 'done');
      await runner.leaveMarkdown('Not A Key', 'refused without an error');
      await runner.close();
      expect(await artifactsOf(flowRunId)).toEqual([
        ['markdown', '# 3 files'],
        ['progress', 100],
      ]);
    });

    async function artifactsOf(flowRunId: string): Promise<unknown[]> {
      const filter = { artifacts: { flow_run_id: { any_: [flowRunId] } }, sort: 'KEY_DESC' };
      const { json } = await call('POST', '/artifacts/filter', filter);
      return (json as unknown as Json[]).map((artifact) => [artifact['type'], artifact['data']]);
    }
  });

  describe('Prefect itself', () => {
    it('re-creates the schedules of a deployment that is posted again', async () => {
      const { deployment } = await create();
      const { json } = await call('GET', `/deployments/${deployment.id}`);
      const schedules = [{ slug: 'main', active: true, schedule: HOURLY }];
      const again = await call('POST', '/deployments/', { name: json['name'], flow_id: json['flow_id'], schedules });
      expect([again.status, again.json['id']]).toEqual([200, deployment.id]);
      expect((again.json['schedules'] as Json[])[0]?.['id']).not.toBe(deployment.scheduleId);
    });

    it('changes nothing for an empty list of schedules in a PATCH', async () => {
      const { spec, deployment } = await create();
      await expect(call('PATCH', `/deployments/${deployment.id}`, { schedules: [] })).resolves.toMatchObject({
        status: 204,
      });
      await expect(gateway.findDeployment(spec.ingestionId)).resolves.toEqual(deployment);
    });

    it('refuses a new name for a deployment, a page beyond 200 and an unknown pool', async () => {
      const { deployment } = await create();
      const { json } = await call('GET', `/deployments/${deployment.id}`);
      await expect(call('PATCH', `/deployments/${deployment.id}`, { name: 'x' })).resolves.toMatchObject({
        status: 422,
      });
      await expect(call('POST', '/flow_runs/filter', { limit: 201 })).resolves.toMatchObject({ status: 422 });
      const elsewhere = { name: 'x', flow_id: json['flow_id'], work_pool_name: 'none' };
      await expect(call('POST', '/deployments/', elsewhere)).resolves.toMatchObject({ status: 404 });
    });

    it('answers 500 for a name with a slash and 404 without words of ours for an unknown route', async () => {
      const { deployment } = await create();
      const { json } = await call('GET', `/deployments/${deployment.id}`);
      await expect(call('POST', '/deployments/', { name: 'a/b', flow_id: json['flow_id'] })).resolves.toMatchObject({
        status: 500,
      });
      await expect(call('GET', '/no_such_route')).resolves.toEqual({ status: 404, json: { detail: 'Not Found' } });
    });

    it('leaves running flow runs behind when their deployment is deleted, and answers 404 to a second delete', async () => {
      const { request, flowRunId } = await trigger();
      await propose(flowRunId, 'RUNNING');
      await expect(call('DELETE', `/deployments/${request.deploymentId}`)).resolves.toMatchObject({ status: 204 });
      await expect(call('DELETE', `/deployments/${request.deploymentId}`)).resolves.toMatchObject({ status: 404 });
      await expect(gateway.readFlowRun(flowRunId)).resolves.toMatchObject({ phase: 'running' });
    });

    it('keys flow runs per flow: another deployment gets the first one', async () => {
      const { request, flowRunId } = await trigger();
      const { deployment } = await create({ timetable: null });
      await expect(gateway.createFlowRun({ ...request, deploymentId: deployment.id })).resolves.toEqual({ flowRunId });
    });

    it('answers a repeated transition with REJECT and shows it', async () => {
      const { flowRunId } = await trigger();
      const transition = randomUUID();
      await expect(propose(flowRunId, 'RUNNING', transition)).resolves.toEqual({
        http: 201,
        verdict: 'ACCEPT',
        now: 'RUNNING',
      });
      await expect(propose(flowRunId, 'RUNNING', transition)).resolves.toEqual({
        http: 200,
        verdict: 'REJECT',
        now: 'RUNNING',
      });
    });

    it.each([
      [['PENDING', 'PENDING'], 'ABORT', 'PENDING'],
      [['RUNNING', 'PENDING'], 'ABORT', 'RUNNING'],
      [['RUNNING', 'RUNNING'], 'ACCEPT', 'RUNNING'],
      [['CANCELLING'], 'REJECT', 'CANCELLED'],
      [['RUNNING', 'CANCELLING'], 'ACCEPT', 'CANCELLING'],
      [['RUNNING', 'CANCELLING', 'COMPLETED'], 'REJECT', 'CANCELLING'],
      [['RUNNING', 'CANCELLING', 'CRASHED'], 'REJECT', 'CANCELLING'],
      [['RUNNING', 'CANCELLING', 'CANCELLED'], 'ACCEPT', 'CANCELLED'],
      [['COMPLETED', 'CANCELLING'], 'ABORT', 'COMPLETED'],
      [['FAILED', 'CRASHED'], 'ABORT', 'FAILED'],
      [['CRASHED', 'COMPLETED'], 'ACCEPT', 'COMPLETED'],
      [['CANCELLED', 'RUNNING'], 'ACCEPT', 'RUNNING'],
    ])('answers the proposals %j with %s and holds %s', async (types, verdict, now) => {
      const { flowRunId } = await trigger();
      const answers = [];
      for (const type of types) answers.push(await propose(flowRunId, type));
      expect(answers.at(-1)).toMatchObject({ verdict, now });
    });

    it('makes FAILED an AwaitingRetry where there are retries, and takes it the second time', async () => {
      const { request } = await trigger();
      const body = { parameters: {}, empirical_policy: { retries: 3 } };
      const { json } = await call('POST', `/deployments/${request.deploymentId}/create_flow_run`, body);
      const id = String(json['id']);
      await propose(id, 'RUNNING');
      await expect(propose(id, 'FAILED')).resolves.toMatchObject({ verdict: 'REJECT', now: 'SCHEDULED' });
      await expect(propose(id, 'FAILED')).resolves.toMatchObject({ verdict: 'ACCEPT', now: 'FAILED' });
    });

    it('tells a flow run that starts before its time to wait', async () => {
      const { deployment } = await create();
      const planned = () =>
        call('POST', '/flow_runs/filter', {
          flow_runs: { deployment_id: { any_: [deployment.id] } },
          sort: 'EXPECTED_START_TIME_ASC',
        });
      await until(async () => ((await planned()).json as unknown as Json[]).length > 0);
      const run = ((await planned()).json as unknown as Json[]).at(-1);
      const { json } = await call('POST', `/flow_runs/${String(run?.['id'])}/set_state`, {
        state: { type: 'RUNNING' },
      });
      expect(json).toMatchObject({ status: 'WAIT', state: { type: 'SCHEDULED' } });
      expect((json['details'] as Json)['delay_seconds']).toBeGreaterThan(60);
    }, 60_000);
  });
};

describe(
  'the gateway and the fake Prefect',
  contract(() => startFakePrefect()),
);

describeWithPrefect(
  'the gateway and the real Prefect',
  contract(async () => ({ apiUrl: (await realPrefect()).apiUrl, stop: () => Promise.resolve() })),
);
