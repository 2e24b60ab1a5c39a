import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { anIngestion, DAILY, startControlPlane, type ControlPlane } from '../support/control-plane';
import { freshDatabase } from '../support/database';
import { removeWhere } from '../support/fake-prefect/state';
import { insertOlderRows } from '../support/older-rows';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
beforeEach(async () => {
  await plane.fake.behave();
  await plane.sql('TRUNCATE sluice_control.ingestion, sluice_control.orphan CASCADE');
  plane.fake.deployments.length = 0;
});
afterAll(() => plane.close());

const PROGRAM = join(__dirname, '../support/maintenance-process.mjs');

interface Ended {
  code: number | null;
  signal: string | null;
  out: string;
  err: string;
}

/** `watch` is told of all that was printed so far. */
function command(args: string[], env: Record<string, string> = {}, watch?: (out: string, pid: number) => void) {
  const urls = { DATABASE_URL: plane.url, DESTINATION_URL: plane.url, PREFECT_API_URL: plane.fake.apiUrl };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...urls, ...env } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    watch?.(out, child.pid ?? 0);
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, out, err })));
}

const scheduled = async () => (await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }))).id;
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`);
const everything = async () => {
  const rows = await Promise.all(
    ['ingestion', 'orphan', 'tombstone', 'event'].map((it) =>
      plane.sql(`SELECT * FROM sluice_control.${it} ORDER BY 1`),
    ),
  );
  return JSON.stringify([rows, plane.fake.deployments, plane.fake.workPools]);
};

describe('npm run reconcile', () => {
  it('says that all is well', async () => {
    await scheduled();
    expect(await command(['reconcile'])).toEqual({
      ...{ code: 0, signal: null, err: '' },
      out: 'The control database and Prefect agree.\n',
    });
  }, 60_000);

  it('shows what differs and changes nothing with --dry-run, mends it without', async () => {
    const [changed, orphan] = [await scheduled(), await scheduled()];
    deploymentOf(changed)!.paused = true;
    await plane.sql('DELETE FROM sluice_control.ingestion WHERE id = $1', [orphan]);
    const before = await everything();
    const dry = await command(['reconcile', '--dry-run']);
    expect(dry).toMatchObject({ code: 0, err: '' });
    expect(dry.out.split('\n')).toEqual([
      `  different -> change: The deployment of ingestion ${changed} is not as the ingestion says: paused.`,
      '      expected {"paused":false}, found {"paused":true}',
      `  orphan -> remove: Deployment ingestion-${orphan} has no ingestion.`,
      '2 differences; nothing was changed.',
      '',
    ]);
    expect(await everything()).toBe(before);

    const real = await command(['reconcile']);
    expect(real).toMatchObject({ code: 0, err: '' });
    expect(real.out.split('\n')).toEqual([
      `  Found a deployment without an ingestion, ingestion-${orphan}`,
      `  Changed the deployment of ingestion ${changed}: paused`,
      `  Removed deployment ingestion-${orphan}, which had no ingestion`,
      '3 things done, 0 differences left.',
      '',
    ]);
    expect([deploymentOf(changed)!.paused, deploymentOf(orphan)]).toEqual([false, undefined]);
  }, 120_000);

  it('counts one thing as one', async () => {
    const id = await scheduled();
    removeWhere(plane.fake.deployments, (it) => it.name === `ingestion-${id}`);
    expect((await command(['reconcile', '--dry-run'])).out).toMatch(/^1 difference; nothing was changed\.$/m);
    expect((await command(['reconcile'])).out).toBe(
      `  Made the deployment of ingestion ${id} again\n1 thing done, 0 differences left.\n`,
    );
  }, 60_000);

  it('leaves the work pool as the API made it, whatever its own settings', async () => {
    await scheduled();
    const before = JSON.stringify(plane.fake.workPools);
    plane.fake.requests.length = 0;
    await command(['reconcile'], { SLUICE_RUNNER_COMMAND: 'another' });
    expect(JSON.stringify(plane.fake.workPools)).toBe(before);
    const theirs = plane.fake.requests.filter(
      ({ method, path }) => method === 'PATCH' && path.startsWith('/work_pools'),
    );
    expect(theirs).toEqual([]);
  }, 60_000);

  it('does not remove suspiciously many, says so and fails; with --force it does', async () => {
    await Promise.all(Array.from({ length: 7 }, scheduled));
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    const careful = await command(['reconcile']);
    expect(careful.code).toBe(1);
    expect(careful.out).toMatch(/^ALARM: 7 of 7 deployments in Prefect have no ingestion/m);
    expect(plane.fake.deployments).toHaveLength(7);
    const forced = await command(['reconcile', '--force']);
    expect(forced).toMatchObject({ code: 0, err: '' });
    expect(plane.fake.deployments).toEqual([]);
  }, 180_000);

  it('ends soon when it is told to stop while it waits, and says that something is left', async () => {
    const [orphan] = [await scheduled(), await scheduled()];
    await plane.sql('DELETE FROM sluice_control.ingestion WHERE id = $1', [orphan]);
    const before = structuredClone(deploymentOf(orphan));
    let toldAt = 0;
    const { code, signal, out } = await command(['reconcile'], {}, (printed, pid) => {
      if (toldAt > 0 || !printed.includes('Found a deployment')) return;
      toldAt = performance.now();
      process.kill(pid, 'SIGTERM');
    });
    expect([code, signal]).toEqual([1, null]);
    // Its idle passes would go on for half a minute; 15 s after the signal it would be ended the hard way.
    expect(performance.now() - toldAt).toBeLessThan(14_000);
    expect(out).toMatch(/^It was stopped; run it again/m);
    expect(deploymentOf(orphan)).toEqual(before);
  }, 60_000);

  it('fails when Prefect cannot be used, and says why', async () => {
    await plane.fake.misbehave('unauthorized');
    const { code, err } = await command(['reconcile', '--dry-run']);
    expect(code).toBe(1);
    expect(err).toMatch(/^Prefect cannot be used \(auth\): /);
  }, 60_000);
});

describe('npm run deployments:backfill', () => {
  it('tells each step on a line where there is no terminal, and sums up', async () => {
    await insertOlderRows(plane, 3);
    const dry = await command(['backfill', '--dry-run']);
    expect(dry.out).toMatch(/^3\/3 draft older \d: would get a deployment$/m);
    expect(dry.out).toMatch(/3 of 3 deployments would be made, 0 failed, 0 not needed any more, 0 left\.\n$/);
    expect(plane.fake.deployments).toEqual([]);

    const real = await command(['backfill']);
    expect(real).toMatchObject({ code: 0, err: '' });
    expect(real.out).toMatch(/^1\/3 draft older \d: deployment made$/m);
    expect(real.out).toMatch(/3 of 3 deployments made, 0 failed, 0 not needed any more, 0 left\.\n$/);
    expect((await command(['backfill'])).out).toBe(
      'Every ingestion with a schedule has its deployment: there was nothing to do.\n',
    );
  }, 120_000);

  it('gives up when Prefect goes away for long, fails with a sum, and goes on when it is run again', async () => {
    await insertOlderRows(plane, 200);
    let isDown: Promise<void> | undefined;
    const stopped = await command(['backfill', '--patience', '2'], {}, (out) => {
      if (/^50\/200 /m.test(out)) isDown ??= plane.fake.misbehave('down');
    });
    await isDown;
    expect(stopped.code).toBe(1);
    expect(stopped.out).toMatch(/^Prefect could not be used for 2 s \(refused: .*\): given up\.$/m);
    const made = Number(
      /^(\d+) of 200 deployments made, 0 failed, .*it goes on where it stopped\.$/m.exec(stopped.out)?.[1],
    );
    expect(made).toBeGreaterThanOrEqual(50);
    expect(made).toBeLessThan(200);

    await plane.fake.behave();
    const again = await command(['backfill']);
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.out).toContain(`${200 - made} of ${200 - made} deployments made, 0 failed`);
    expect(new Set(plane.fake.deployments.map(({ name }) => name)).size).toBe(200);
    expect(plane.fake.deployments).toHaveLength(200);
  }, 120_000);

  it('killed in the middle leaves nothing doubled: the next run takes what the dead one had claimed', async () => {
    await insertOlderRows(plane, 60);
    const killed = await command(['backfill'], {}, (out, pid) => {
      if (/^20\/60 /m.test(out)) process.kill(pid, 'SIGKILL');
    });
    expect(killed.signal).toBe('SIGKILL');
    // As if the minute of the claims were over.
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation_expires_at = now() - interval '1 s' WHERE operation IS NOT NULL`,
    );
    expect((await command(['backfill'])).code).toBe(0);
    expect(plane.fake.deployments).toHaveLength(60);
    const rows = await plane.sql<{ id: string }>(
      `SELECT prefect_deployment_id AS id FROM sluice_control.ingestion WHERE status = 'active'`,
    );
    expect(rows.map(({ id }) => id).sort()).toEqual(plane.fake.deployments.map(({ id }) => id).sort());
  }, 120_000);

  it('stops at SIGTERM after the ingestion it is at', async () => {
    await insertOlderRows(plane, 300);
    let told = false;
    const { code, out } = await command(['backfill'], {}, (so_far, pid) => {
      if (told || !/^20\/300 /m.test(so_far)) return;
      told = true;
      process.kill(pid, 'SIGTERM');
    });
    expect(code).toBe(1);
    expect(out).toMatch(/ left\. It was stopped; run it again: it goes on where it stopped\.\n$/);
    const open = await plane.sql('SELECT 1 FROM sluice_control.ingestion WHERE operation IS NOT NULL');
    expect(open).toEqual([]);
  }, 60_000);
});

describe('a command that cannot begin', () => {
  it.each([
    ['unknown', ['tidy'], {}, /tidy: is no command.*npm run reconcile/s],
    ['with an unknown option', ['reconcile', '--all'], {}, /--all/],
    ['with a wrong number', ['backfill', '--patience', 'long'], {}, /--patience long: is not a number of seconds/],
    ['without a configuration', ['reconcile'], { DATABASE_URL: '' }, /DATABASE_URL: is not set/],
    [
      'without its database',
      ['reconcile'],
      { DATABASE_URL: 'postgresql://127.0.0.1:1/none' },
      /DATABASE_URL: the control database cannot be used: /,
    ],
  ] as const)(
    '%s ends with 2 and says why',
    async (_, args, env, why) => {
      const { code, out, err } = await command([...args], { ...env });
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(why);
    },
    60_000,
  );

  it('on a database without its tables ends with 2 and makes none', async () => {
    const empty = await freshDatabase();
    const { code, err } = await command(['backfill'], { DATABASE_URL: empty.url });
    expect(code).toBe(2);
    expect(err).toMatch(/is not up to date \(\d migrations pending\): start the API/);
    await empty.drop();
  }, 60_000);
});
