import type { WireDeployment } from '../prefect/wire';
import type { DeploymentSpec } from '../types';
import { planFor } from './deployment-plan';

const ID = '11111111-1111-4111-8111-111111111111';
const MAIN = '22222222-2222-4222-8222-222222222222';
const OTHER = '33333333-3333-4333-8333-333333333333';
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
    expect(planFor(aDeployment(), { ...spec, title: 'renamed' }, 'sluice')).toEqual(NOTHING);
  });

  it.each([
    ['another cron', { timetable: { cron: '5 * * * *', timezone: 'UTC' } }],
    ['another zone', { timetable: { cron: '0 * * * *', timezone: 'Asia/Tokyo' } }],
  ])('for %s is a PATCH of the schedule by its slug, with the title', (_, change) => {
    const schedules = [{ slug: 'main', active: true, schedule: { ...change.timetable, day_or: true }, parameters: {} }];
    const plan = planFor(aDeployment(), { ...spec, ...change }, 'sluice');
    expect(plan).toEqual({ ...NOTHING, patch: { schedules, description: 'trips' } });
  });

  it("sends a schedule's own parameters along, since a PATCH without them resets them", () => {
    const now = aDeployment({ schedules: [{ ...main, active: false, parameters: { note: 'kept' } }] });
    expect(planFor(now, spec, 'sluice').patch?.schedules).toMatchObject([
      { active: true, parameters: { note: 'kept' } },
    ]);
  });

  it('without a timetable is the removal of its schedule and no PATCH', () => {
    expect(planFor(aDeployment(), { ...spec, timetable: null }, 'sluice')).toEqual({
      ...NOTHING,
      dropSchedules: [MAIN],
    });
  });

  it('removes a schedule that somebody added', () => {
    const now = aDeployment({ schedules: [main, { ...main, id: OTHER, slug: null }] });
    expect(planFor(now, spec, 'sluice')).toEqual({ ...NOTHING, dropSchedules: [OTHER] });
  });

  it.each([
    [{ work_pool_name: 'other' }, { work_pool_name: 'sluice' }],
    [{ tags: ['theirs'] }, { tags: ['theirs', 'sluice'] }],
    [{ parameters: {} }, { parameters: { ingestion_id: ID } }],
    [{ enforce_parameter_schema: true }, { enforce_parameter_schema: false }],
  ])('that has %j is a PATCH of %j', (now, patch) => {
    expect(planFor(aDeployment(now), spec, 'sluice').patch).toEqual({ ...patch, description: 'trips' });
  });

  it('pauses and resumes only when that differs', () => {
    expect(planFor(aDeployment(), { ...spec, paused: true }, 'sluice')).toEqual({ ...NOTHING, paused: true });
    expect(planFor(aDeployment({ paused: true }), spec, 'sluice')).toEqual({ ...NOTHING, paused: false });
  });
});
