import type { WireDeployment } from '../prefect/wire';
import type { DeploymentSpec } from '../types';
import { differencesOf, planFor } from './deployment-plan';

const ID = '11111111-1111-4111-8111-111111111111';
const MAIN = '22222222-2222-4222-8222-222222222222';
const OTHER = '33333333-3333-4333-8333-333333333333';
const COMMON = { pool: 'sluice', installation: null };
const NOTHING = { dropSchedules: [], patch: null, paused: null };
const spec: DeploymentSpec = {
  ingestionId: ID,
  title: 'trips',
  timetable: { cron: '0 * * * *', timezone: 'UTC' },
  paused: false,
};

const main = { id: MAIN, slug: 'main', active: true, schedule: { cron: '0 * * * *', timezone: 'UTC' }, parameters: {} };

function aDeployment(overrides: Partial<WireDeployment> = {}): WireDeployment {
  return {
    ...{ id: OTHER, name: `ingestion-${ID}`, paused: false, updated: new Date(0), tags: ['sluice'] },
    ...{
      parameters: { ingestion_id: ID },
      work_pool_name: 'sluice',
      enforce_parameter_schema: false,
      schedules: [main],
    },
    ...overrides,
  };
}

describe('what is done to a deployment', () => {
  it('is nothing when it is as it should be, whatever its title', () => {
    expect(planFor(aDeployment(), { ...spec, title: 'renamed' }, COMMON)).toEqual(NOTHING);
  });

  it.each([
    ['another cron', { timetable: { cron: '5 * * * *', timezone: 'UTC' } }],
    ['another zone', { timetable: { cron: '0 * * * *', timezone: 'Asia/Tokyo' } }],
  ])('for %s is a PATCH of the schedule by its slug, with the title', (_, change) => {
    const schedules = [{ slug: 'main', active: true, schedule: { ...change.timetable, day_or: true }, parameters: {} }];
    const plan = planFor(aDeployment(), { ...spec, ...change }, COMMON);
    expect(plan).toEqual({ ...NOTHING, patch: { schedules, description: 'trips' } });
  });

  it("sends a schedule's own parameters along, since a PATCH without them resets them", () => {
    const now = aDeployment({ schedules: [{ ...main, active: false, parameters: { note: 'kept' } }] });
    expect(planFor(now, spec, COMMON).patch?.schedules).toMatchObject([{ active: true, parameters: { note: 'kept' } }]);
  });

  it("takes an ingestion_id from a schedule's own parameters, which would override the deployment's, and leaves the others", () => {
    const now = aDeployment({ schedules: [{ ...main, parameters: { ingestion_id: OTHER, note: 'kept' } }] });
    expect(planFor(now, spec, COMMON).patch?.schedules).toMatchObject([{ slug: 'main', parameters: { note: 'kept' } }]);
    expect(planFor(now, spec, COMMON).patch?.schedules?.[0]?.parameters).toEqual({ note: 'kept' });
    expect(differencesOf(now, spec, COMMON)).toEqual([
      { field: 'schedule_parameters', expected: {}, found: { ingestion_id: OTHER } },
    ]);
  });

  it('without a timetable is the removal of its schedule and no PATCH', () => {
    expect(planFor(aDeployment(), { ...spec, timetable: null }, COMMON)).toEqual({
      ...NOTHING,
      dropSchedules: [MAIN],
    });
  });

  it('removes a schedule that somebody added', () => {
    const now = aDeployment({ schedules: [main, { ...main, id: OTHER, slug: null }] });
    expect(planFor(now, spec, COMMON)).toEqual({ ...NOTHING, dropSchedules: [OTHER] });
  });

  it.each([
    [{ work_pool_name: 'other' }, { work_pool_name: 'sluice' }],
    [{ tags: ['theirs'] }, { tags: ['theirs', 'sluice'] }],
    [{ parameters: {} }, { parameters: { ingestion_id: ID } }],
    [{ enforce_parameter_schema: true }, { enforce_parameter_schema: false }],
  ])('that has %j is a PATCH of %j', (now, patch) => {
    expect(planFor(aDeployment(now), spec, COMMON).patch).toEqual({ ...patch, description: 'trips' });
  });

  it('pauses and resumes only when that differs', () => {
    expect(planFor(aDeployment(), { ...spec, paused: true }, COMMON)).toEqual({ ...NOTHING, paused: true });
    expect(planFor(aDeployment({ paused: true }), spec, COMMON)).toEqual({ ...NOTHING, paused: false });
  });
});

describe('whose a deployment is', () => {
  const ours = { pool: 'sluice', installation: ID };

  it('is written into its tags', () => {
    expect(planFor(aDeployment(), spec, ours).patch).toEqual({
      tags: ['sluice', `sluice:${ID}`],
      description: 'trips',
    });
    expect(planFor(aDeployment({ tags: [`sluice:${ID}`, 'sluice', 'theirs'] }), spec, ours)).toEqual(NOTHING);
  });

  it('is not changed when another installation has marked it', () => {
    expect(planFor(aDeployment({ tags: ['sluice', `sluice:${OTHER}`] }), spec, ours)).toEqual(NOTHING);
  });
});

describe('the differences told', () => {
  const strange = { ...main, id: OTHER, slug: null };
  it.each<[string, Partial<WireDeployment>, Partial<DeploymentSpec>, unknown[]]>([
    ['none', {}, { title: 'renamed' }, []],
    [
      'timetable',
      {},
      { timetable: { cron: '0 * * * *', timezone: 'Asia/Tokyo' } },
      [{ cron: '0 * * * *', timezone: 'Asia/Tokyo' }, spec.timetable],
    ],
    ['timetable', {}, { timetable: null }, [null, spec.timetable]],
    ['timetable', { schedules: [{ ...main, active: false }] }, {}, [spec.timetable, null]],
    ['other_schedules', { schedules: [{ ...main, active: false }] }, { timetable: null }, [[], ['0 * * * *']]],
    ['other_schedules', { schedules: [main, strange] }, {}, [[], ['0 * * * *']]],
    ['paused', { paused: true }, {}, [false, true]],
    ['work_pool', { work_pool_name: 'other' }, {}, ['sluice', 'other']],
    ['tags', { tags: [] }, {}, [['sluice'], []]],
    ['ingestion_id', { parameters: {} }, {}, [ID, null]],
    ['enforce_parameter_schema', { enforce_parameter_schema: true }, {}, [false, true]],
  ])('%s of %j beside %j', (field, now, wanted, values) => {
    const [deployment, whole] = [aDeployment(now), { ...spec, ...wanted }];
    const [expected, found] = values;
    expect(differencesOf(deployment, whole, COMMON)).toEqual(field === 'none' ? [] : [{ field, expected, found }]);
    const idle = JSON.stringify(planFor(deployment, whole, COMMON)) === JSON.stringify(NOTHING);
    expect(idle).toBe(field === 'none');
  });
});
