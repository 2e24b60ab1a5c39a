import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { StackHome } from '../support/stack';

/** What is wrong with the machine, and the sentence `npm run up` must say about it. */
describe('npm run up says what to do', () => {
  let home: StackHome;
  beforeEach(() => {
    home = new StackHome();
  });
  afterEach(async () => {
    expect(home.leftovers()).toEqual([]);
    expect(existsSync(join(home.path, 'running.json'))).toBe(false);
    await home.remove();
  });

  async function complaint(env: Record<string, string | undefined>, args: string[] = []): Promise<string> {
    const up = home.up(args, env);
    expect(await up.end).toBe(1);
    expect(up.output).not.toMatch(/^\s+at .*\.mjs/m);
    return up.output;
  }

  /** A PATH with node, and the programs given as shell scripts, and nothing else. */
  function pathWith(programs: Record<string, string>): string {
    const folder = join(home.path, 'bin');
    mkdirSync(folder);
    symlinkSync(process.execPath, join(folder, 'node'));
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    return folder;
  }

  it('when there is no Python', async () => {
    expect(await complaint({ PATH: pathWith({}) })).toContain(
      'Prefect needs Python 3.10 to 3.14 and none was found. Install Python (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python), ' +
        'set SLUICE_PYTHON to its path, or set PREFECT_API_URL to a Prefect server you have.',
    );
  }, 30_000);

  it('when Python is too old', async () => {
    expect(await complaint({ PATH: pathWith({ python3: 'echo 3 9 1 /usr/bin/python3' }) })).toContain(
      'Prefect needs Python 3.10 to 3.14 and found: 3.9 (/usr/bin/python3).',
    );
  }, 30_000);

  it('when the Python asked for cannot be run', async () => {
    expect(await complaint({ SLUICE_PYTHON: '/nowhere/python3' })).toContain(
      'Prefect needs Python 3.10 to 3.14 and none was found as SLUICE_PYTHON=/nowhere/python3.',
    );
  }, 30_000);

  it('when Python has no venv', async () => {
    expect(await complaint({ PATH: pathWith({ python3: 'echo 3 11 0 /usr/bin/python3' }) })).toContain(
      'Python 3.11 (/usr/bin/python3) has no venv module, which Prefect is installed with. Install it (Debian and Ubuntu: apt install python3.11-venv)',
    );
  }, 30_000);

  it('when the disk is full while Prefect is installed', async () => {
    const python = join(home.path, 'bin', 'python3');
    const script = `case "$*" in *ensurepip*) echo 3 11 1 ${python};; *) echo "OSError: [Errno 28] No space left on device" >&2; exit 1;; esac`;
    const cache = join(home.path, 'cache');
    expect(await complaint({ PATH: pathWith({ python3: script }), SLUICE_CACHE: cache })).toContain(
      `There is not enough space on the disk which holds ${cache}/prefect-`,
    );
  }, 30_000);

  it('when the folder of the stack cannot be made', async () => {
    writeFileSync(join(home.path, 'file'), '');
    expect(await complaint({ SLUICE_HOME: join(home.path, 'file', 'below') })).toContain(
      'cannot be written to (ENOTDIR). Set SLUICE_HOME to a folder of yours.',
    );
  }, 30_000);

  describe('with a server that listens already', () => {
    let server: Server;
    let port: number;
    beforeEach(async () => {
      server = createServer((_request, response) => response.writeHead(404).end('not Prefect'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
    });
    afterEach(() => new Promise((resolve) => server.close(resolve)));

    it.each(['PORT', 'SLUICE_POSTGRES_PORT', 'SLUICE_PREFECT_PORT'])(
      'when the port in %s is busy',
      async (variable) => {
        expect(await complaint({ [variable]: String(port) })).toContain(
          `Port ${port} (${variable}) is busy. Stop what listens there, or leave ${variable} out to get a free one.`,
        );
      },
    );

    it('when something else than Prefect answers at PREFECT_API_URL', async () => {
      expect(await complaint({ PREFECT_API_URL: `http://someone:secret@127.0.0.1:${port}/api` })).toMatch(
        /PREFECT_API_URL=http:\/\/…@127\.0\.0\.1:\d+\/api does not answer as a Prefect server/,
      );
    });
  });

  it('when nothing listens at PREFECT_API_URL', async () => {
    expect(await complaint({ PREFECT_API_URL: 'http://127.0.0.1:19999/api' })).toContain(
      'PREFECT_API_URL=http://127.0.0.1:19999/api does not answer as a Prefect server (ECONNREFUSED). Start that server, correct the address',
    );
  }, 30_000);

  it('when DATABASE_URL cannot be used, without its password', async () => {
    const said = await complaint({ DATABASE_URL: 'postgresql://me:hunter2@127.0.0.1:19999/sluice' });
    expect(said).toContain('DATABASE_URL=postgresql://…@127.0.0.1:19999/sluice cannot be used (ECONNREFUSED).');
    expect(said).not.toContain('hunter2');
  }, 30_000);

  it('when a port is not a number', async () => {
    expect(await complaint({ PORT: 'http' })).toContain('PORT=http is not a port. Give a number from 1 to 65535');
  }, 30_000);

  it('when Node is too old', async () => {
    const disguise = join(home.path, 'disguise.cjs');
    writeFileSync(
      disguise,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } });`,
    );
    expect(await complaint({ NODE_OPTIONS: `--require ${disguise}` })).toContain(
      'Node 18.20.4 is too old: Sluice needs 20.19 or newer.',
    );
  }, 30_000);

  it('and shows its arguments when it does not know one', async () => {
    const up = home.up(['--detatch']);
    expect(await up.end).toBe(2);
    expect(up.output).toContain('npm run up [-- --detach]');
  }, 30_000);
});
