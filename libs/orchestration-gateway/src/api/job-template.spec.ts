import { startsRunner, withRunner } from './job-template';

const start = { command: 'node main.js', workingDir: '/srv' };

describe('the job template of the work pool', () => {
  it('made from nothing fills each job field from its variable and starts the flow-runner', () => {
    const template = withRunner({}, start);
    expect(template).toMatchObject({
      job_configuration: { command: '{{ command }}', working_dir: '{{ working_dir }}', env: '{{ env }}' },
      variables: { properties: { command: { default: 'node main.js' }, working_dir: { default: '/srv' } } },
    });
    expect(startsRunner(template, start)).toBe(true);
  });

  it.each([
    { command: 'other', workingDir: '/srv' },
    { command: 'node main.js', workingDir: '/elsewhere' },
  ])('with %j is not ours', (other) => {
    expect(startsRunner(withRunner({}, other), start)).toBe(false);
  });

  it('of a pool that has none is not ours', () => {
    expect(startsRunner({}, start)).toBe(false);
  });

  it('keeps what somebody else put into it', () => {
    const theirs = {
      job_configuration: { env: '{{ env }}' },
      variables: { properties: { env: { default: { A: '1' } } } },
    };
    expect(withRunner(theirs, start)).toMatchObject(theirs);
  });
});
