import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import { describeWithPrefect } from '../support/prefect';
import { StackHome } from '../support/stack';

const UP_MS = 300_000;

const waitUntil = async (done: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> => {
  for (const deadline = Date.now() + ms; !(await done()) && Date.now() < deadline;) await pause(50);
  expect(await done()).toBe(true);
};

async function newDatabase(url: string, name: string): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`);
  await client.end();
  return url.replace(/[^/]+$/, name);
}

const shown = (rows: number): string => rows.toLocaleString('en-US');

/** Whole stacks, started and ended in every way. The first one may have to build. */
describeWithPrefect('npm run up', () => {
  let home: StackHome;
  beforeEach(() => {
    home = new StackHome();
  });
  afterEach(() => home.remove(), 60_000);

  it(
    'says where it runs when it runs already, and ends everything on Ctrl-C',
    async () => {
      const up = home.up(['--no-sample']);
      const { api_url, docs_url, prefect_ui_url, prefect_api_url, pids } = await home.healthy(up);
      expect(Object.keys(pids).sort()).toEqual(['api', 'postgres', 'prefect_server', 'prefect_worker']);
      expect((await fetch(`${api_url}/readyz`)).status).toBe(200);
      expect((await fetch(`${prefect_api_url}/health`)).status).toBe(200);
      expect(statSync(join(home.path, 'stack.json')).mode & 0o077).toBe(0);

      const second = home.up();
      expect(await second.end).toBe(0);
      for (const said of ['Sluice is running already', home.path, docs_url, prefect_ui_url]) {
        expect(second.output).toContain(said);
      }

      up.signal('SIGINT');
      expect(await up.end).toBe(0);
      expect(home.leftovers()).toEqual([]);
      expect(home.stackFile()).toBeNull();
    },
    UP_MS,
  );

  it(
    'loads the sample through a flow run of each table, and the next time nothing twice',
    async () => {
      const tables = {
        birdstrikes: 10_000,
        earthquakes: 1707,
        flights: 2000,
        seattle_weather: 1461,
        us_employment: 120,
      };
      const expectTables = (output: string, fresh: (rows: number) => number): void => {
        for (const [table, rows] of Object.entries(tables)) {
          const line = new RegExp(`sample\\.${table} +${shown(rows)} +${shown(fresh(rows))} `);
          expect(output).toMatch(line);
        }
      };
      const first = home.up(['--detach']);
      expect(await first.end).toBe(0);
      expectTables(first.output, (rows) => rows);
      expect(first.output).toMatch(/2012-01-01 +0 +12\.8 +5 +4\.7 +drizzle/);
      await home.down().end;

      const second = home.up(['--detach']);
      expect(await second.end).toBe(0);
      expectTables(second.output, () => 0);
    },
    UP_MS,
  );

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'ends everything when npm gets %s',
    async (signal) => {
      const up = home.upByNpm();
      await home.healthy(up);
      up.signal(signal);
      await up.end;
      await waitUntil(() => home.leftovers().length === 0);
    },
    UP_MS,
  );

  it(
    'leaves to npm run down what a killed one left',
    async () => {
      const killed = home.up(['--no-sample']);
      await home.healthy(killed);
      killed.signal('SIGKILL');
      await killed.end;
      const down = home.down();
      expect(await down.end).toBe(0);
      expect(down.output).toMatch(/^Stopped what was left behind: postgres, .*prefect_worker\.\n/);
      expect(home.leftovers()).toEqual([]);
    },
    UP_MS,
  );

  it(
    'ends everything when it is told to while it starts',
    async () => {
      const up = home.up(['--no-sample']);
      await waitUntil(() => up.output.includes('… Prefect server'), 240_000);
      up.signal('SIGTERM');
      await up.end;
      expect(home.leftovers()).toEqual([]);
      expect(home.stackFile()).toBeNull();
    },
    UP_MS,
  );

  it(
    'finds and stops what a killed one left, and keeps its data and addresses',
    async () => {
      const killed = home.up(['--no-sample']);
      const before = await home.healthy(killed);
      killed.signal('SIGKILL');
      await killed.end;
      expect(home.leftovers().length).toBeGreaterThan(2);

      const up = home.up(['--no-sample']);
      await waitUntil(() => up.output.includes('Ready after'), 120_000);
      expect(up.output).toContain('An earlier stack was not stopped in order; its postgres');
      for (const pid of Object.values(before.pids)) expect(existsSync(`/proc/${pid}`)).toBe(false);
      expect({ ...home.stackFile(), pids: before.pids }).toEqual(before);

      up.signal('SIGTERM');
      expect(await up.end).toBe(0);
      expect(home.leftovers()).toEqual([]);
    },
    UP_MS,
  );

  it(
    'goes on when a part dies, says so, and starts that part again after pauses that grow',
    async () => {
      const up = home.up(['--no-sample']);
      const first = (await home.healthy(up)).pids;
      const killServer = () => process.kill(home.stackFile()?.pids.prefect_server ?? NaN, 'SIGKILL');
      const isBack = async () => {
        const file = home.stackFile();
        if (file === null || !existsSync(`/proc/${file.pids.prefect_server ?? 0}`)) return false;
        return (await fetch(`${file.prefect_api_url}/health`).catch(() => null))?.status === 200;
      };
      killServer();
      await waitUntil(() => up.output.includes('The Prefect server ended (signal SIGKILL)'));
      expect(up.output).toContain('It is started again in 1 s;');
      await waitUntil(
        async () => home.stackFile()?.pids.prefect_server !== first.prefect_server && (await isBack()),
        120_000,
      );
      expect(home.stackFile()?.pids).toEqual({ ...first, prefect_server: expect.any(Number) as number });
      killServer();
      await waitUntil(() => up.output.includes('It is started again in 2 s;'));
      process.kill(first.prefect_worker ?? NaN, 'SIGKILL');
      await waitUntil(() => up.output.includes('The Prefect worker ended (signal SIGKILL)'));
      await waitUntil(
        async () => home.stackFile()?.pids.prefect_worker !== first.prefect_worker && (await isBack()),
        120_000,
      );
      up.signal('SIGTERM');
      expect(await up.end).toBe(0);
      expect(home.leftovers()).toEqual([]);
    },
    UP_MS,
  );

  it(
    'starts only what is missing beside servers that are named',
    async () => {
      const theirs = home.up(['--no-sample']);
      const { prefect_api_url, database_url } = await home.healthy(theirs);
      const beside = new StackHome();
      try {
        const named = {
          // The first one is down: nothing listens there.
          PREFECT_API_URL: `http://127.0.0.1:9/api,${prefect_api_url}/`,
          PREFECT_WORK_POOL: 'beside',
          DATABASE_URL: await newDatabase(database_url, 'control'),
          DESTINATION_URL: await newDatabase(database_url, 'target'),
        };
        const up = beside.up(['--detach'], named);
        expect(await up.end).toBe(0);
        expect(up.output).toMatch(/sample\.us_employment +120 +120 /);
        expect(Object.keys(beside.stackFile()?.pids ?? {}).sort()).toEqual(['api', 'prefect_worker']);
        expect(beside.stackFile()).toMatchObject({
          prefect_api_url: 'http://127.0.0.1:9/api',
          database_url: named.DATABASE_URL,
          destination_url: named.DESTINATION_URL,
        });
      } finally {
        await beside.remove();
      }
    },
    UP_MS,
  );

  it(
    'comes back with --detach once all is healthy, until npm run down',
    async () => {
      const detached = home.up(['--detach', '--no-sample']);
      expect(await detached.end).toBe(0);
      expect(detached.output).toContain('npm run down stops it');
      expect((await fetch(`${home.stackFile()?.api_url ?? ''}/readyz`)).status).toBe(200);

      const down = home.down();
      expect(await down.end).toBe(0);
      expect(down.output).toBe('Stopped. The data stays.\n');
      expect(home.leftovers()).toEqual([]);
    },
    UP_MS,
  );
});
