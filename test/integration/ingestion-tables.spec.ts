import { Conflict, RunActive, ValueError } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => plane.fake.behave());
afterAll(() => plane.close());

let tables = 0;
const aTable = () => `table_${(tables += 1)}`;
const into = (table: string, write_mode = 'append', fields: object = {}) =>
  plane.ingestions.createIngestion(anIngestion({ destination: { table, write_mode }, ...fields }));

describe('a table', () => {
  it('may be appended to by many', async () => {
    const table = aTable();
    await into(table);
    expect((await into(table)).destination.table).toBe(table);
  });

  it('that is overwritten takes no other ingestion', async () => {
    const table = aTable();
    const { id, name } = await into(table, 'overwrite');
    expect(await refusalOf(into(table))).toEqual(
      new Conflict(
        `Table public.${table} is overwritten by ingestion "${name}" (${id}). Choose another destination.table.`,
      ),
    );
    expect((await plane.ingestions.listIngestions()).items.filter((it) => it.destination.table === table)).toHaveLength(
      1,
    );
  });

  it('that others load cannot be overwritten', async () => {
    const table = aTable();
    const { id, name } = await into(table);
    expect(await refusalOf(into(table, 'overwrite'))).toEqual(
      new Conflict(
        `Table public.${table} is also loaded by ingestion "${name}" (${id}), and write_mode "overwrite" needs it for itself. Choose another destination.table.`,
      ),
    );
  });

  it('of the same name in another schema is another one', async () => {
    const table = aTable();
    await into(table, 'overwrite');
    const other = anIngestion({ destination: { schema: 'elsewhere', table, write_mode: 'overwrite' } });
    expect((await plane.ingestions.createIngestion(other)).destination.schema).toBe('elsewhere');
  });

  it('is free again when its ingestion is gone', async () => {
    const table = aTable();
    const { id } = await into(table, 'overwrite');
    await plane.ingestions.deleteIngestion(id);
    expect((await into(table, 'overwrite')).destination.table).toBe(table);
  });

  it('is not taken by a creation that failed', async () => {
    const table = aTable();
    await plane.fake.misbehave('http_500', { route: /deployments/ });
    await refusalOf(into(table, 'overwrite', { schedule: DAILY }));
    await plane.fake.behave();
    expect((await into(table, 'overwrite', { schedule: DAILY })).status).toBe('active');
  });

  it('answers a repeated key what was made, though the table is taken by then', async () => {
    const input = anIngestion({ destination: { table: aTable(), write_mode: 'overwrite' } });
    const create = () => plane.ingestions.createIngestion(input, { idempotencyKey: input.name });
    const first = await create();
    expect((await create()).id).toBe(first.id);
  });
});

describe('a refresh', () => {
  it.each(['full', 'new_only'] as const)('%s is one run that says what it is to do', async (scope) => {
    const { id } = await into(aTable(), 'append', { schedule: DAILY });
    const started = await plane.ingestions.refresh(id, scope, { confirm: true });
    if (!('run_id' in started)) throw new Error('nothing was started');
    expect(await plane.runs.getRun(started.run_id)).toMatchObject({
      trigger: 'refresh',
      parameters: { kind: 'refresh', scope },
      status: 'queued',
      flow_run_id: started.flow_run_id,
    });
    expect(plane.fake.flowRuns.find((it) => it.id === started.flow_run_id)?.parameters).toEqual({
      ingestion_id: id,
      run_id: started.run_id,
    });
    expect(await refusalOf(plane.ingestions.refresh(id, scope, { confirm: true }))).toEqual(
      new RunActive(started.run_id),
    );
  });

  it('without a deployment is a wrong value, as a trigger is', async () => {
    const { id } = await into(aTable());
    const refusal = await refusalOf(plane.ingestions.refresh(id, 'full', { confirm: true }));
    expect(refusal).toEqual(
      new ValueError(
        `Ingestion ${id} does not have a deployment. Please configure a schedule to enable execution.`,
        'schedule',
      ),
    );
  });

  it('is refused while another ingestion loads into the table, and starts nothing', async () => {
    const table = aTable();
    const { id } = await into(table, 'append', { schedule: DAILY });
    const other = await into(table);
    expect(await refusalOf(plane.ingestions.refresh(id, 'full', { confirm: true }))).toEqual(
      new Conflict(
        `Table public.${table} is also loaded by ingestion "${other.name}" (${other.id}), whose rows would go. Delete that ingestion first, or leave the table as it is.`,
      ),
    );
    expect((await plane.runs.listRuns(id)).items).toEqual([]);
  });

  it('keeps new ingestions out of its table while it is active', async () => {
    const table = aTable();
    const { id, name } = await into(table, 'append', { schedule: DAILY });
    const started = await plane.ingestions.refresh(id, 'full', { confirm: true });
    if (!('run_id' in started)) throw new Error('nothing was started');
    expect(await refusalOf(into(table))).toEqual(
      new Conflict(
        `Table public.${table} is being built anew by ingestion "${name}" (${id}). Try again when its run has ended.`,
      ),
    );
    await plane.runs.cancelRun(started.run_id);
    expect((await into(table)).destination.table).toBe(table);
  });
});
