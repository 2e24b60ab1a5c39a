/**
 * Holds a Prefect server of one test file, its API and its background services apart so that these can die alone. It ends with the channel,
 * also when the tests died. `services`: starts them; `stop-services`: ends them. Each message is answered.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../tools/stack/ports.mjs';
import { startService, stopAllServices, untilReady } from '../../tools/stack/processes.mjs';

/** @typedef {{ python: string, databaseUrl: string, home: string, settings: Record<string, string> }} Options */

/** @type {Options} */
let options;
/** @type {import('../../tools/stack/processes.mjs').Service | undefined} */
let services;

/** @param {string[]} args */
function start(args) {
  const theirs = Object.entries(process.env).filter(([name]) => !name.startsWith('PREFECT_'));
  const { python, databaseUrl, home, settings } = options;
  return startService({
    name: `prefect ${args.join(' ')}`,
    command: python,
    args: ['-m', 'prefect', ...args],
    env: {
      ...Object.fromEntries(theirs),
      ...{ PREFECT_HOME: home, PREFECT_PROFILES_PATH: join(home, 'profiles.toml'), TMPDIR: join(home, 'tmp') },
      ...{ DO_NOT_TRACK: '1', PREFECT_SERVER_ANALYTICS_ENABLED: 'false', PREFECT_SERVER_UI_ENABLED: 'false' },
      PREFECT_SERVER_DATABASE_CONNECTION_URL: databaseUrl.replace(/^postgres(ql)?:/, 'postgresql+asyncpg:'),
      ...settings,
    },
    cwd: home,
    logFile: join(home, `${args[1]}.log`),
  });
}

const COMMANDS = {
  /** @param {Options} given */
  server: async (given) => {
    options = given;
    await mkdir(join(options.home, 'tmp'), { recursive: true });
    const port = await freePort();
    const server = await start(['server', 'start', '--no-services', '--host', '127.0.0.1', '--port', String(port)]);
    const apiUrl = `http://127.0.0.1:${port}/api`;
    const answers = async () => (await fetch(`${apiUrl}/health`)).ok && (await fetch(`${apiUrl}/ready`)).ok;
    await untilReady(server, answers, { timeoutMs: 120_000 });
    return { apiUrl };
  },
  services: async () => {
    services = await start(['server', 'services', 'start']);
    return {};
  },
  'stop-services': async () => {
    await services?.stop();
    return {};
  },
};

async function end() {
  await stopAllServices();
  process.exit(0);
}

process.on('message', async (/** @type {{ command: keyof typeof COMMANDS, options: Options }} */ message) => {
  try {
    process.send?.(await COMMANDS[message.command](message.options));
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', end);
