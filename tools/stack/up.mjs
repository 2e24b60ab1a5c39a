import { fork } from 'node:child_process';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { noSpace } from './disk.mjs';
import { StackError } from './errors.mjs';
import { ROOT } from './folders.mjs';
import { loadSample, sampleIsReadable, sampleReport } from './load-sample.mjs';
import { killAllServices } from './processes.mjs';
import { Progress, secondsSince } from './progress.mjs';
import { claim, cleanUp, isThere, readRunning, recorded, release } from './record.mjs';
import { Restarts } from './restarts.mjs';
import { makeHome, readSettings } from './settings.mjs';
import { Stack } from './stack.mjs';

const REVIVE_MS = 120_000;
const PARENT_MS = 500;
const USAGE = `npm run up [-- --detach] [-- --no-sample]
  --detach     return once all is healthy; npm run down stops it
  --no-sample  do not load data/sample

Variables, all optional:
  PORT, SLUICE_POSTGRES_PORT, SLUICE_PREFECT_PORT  ports; default: those of last time, else free ones
  DATABASE_URL, DESTINATION_URL, PREFECT_API_URL   servers you have, which are then not started
  several PREFECT_API_URLs of one Prefect, separated by commas: the first that answers is used
  PREFECT_API_AUTH_STRING, PREFECT_WORK_POOL       how to use that Prefect: user:password; name of the pool (sluice)
  SLUICE_HOME      folder of data, logs and stack.json; default .sluice
  SLUICE_CACHE     folder of what is built once for all stacks; default: sluice in your cache folder
  SLUICE_PYTHON    the Python to take; default: the first fit one of the PATH
  SLUICE_FILE_ROOTS, SLUICE_SECRET_KEY and others are handed on: see .env.example
`;

/** @typedef {import('./record.mjs').Running} Running */

/** @typedef {{ detach: boolean, sample: boolean, supervised: boolean }} Options `supervised`: we are what `--detach` left behind */

/** @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<number>} the exit code; a stack in the foreground ends the process itself */
export async function up(args, env) {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const unknown = args.filter((arg) => !['--detach', '--no-sample', '--supervised'].includes(arg));
  if (unknown.length > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const options = {
    detach: args.includes('--detach'),
    sample: !args.includes('--no-sample'),
    supervised: args.includes('--supervised'),
  };
  try {
    const { home, logs } = await makeHome(env);
    return options.detach ? await upDetached(home, logs, options) : await upHere(home, logs, env, options);
  } catch (error) {
    return failed(error);
  }
}

/** @param {unknown} error */
function failed(error) {
  const sentence = error instanceof StackError ? error : noSpace(error, 'what Sluice writes');
  process.stderr.write(`\n${sentence?.message ?? (error instanceof Error ? error.stack : String(error))}\n`);
  return 1;
}

/** @param {string} home @param {string} logs @param {NodeJS.ProcessEnv} env @param {Options} options */
async function upHere(home, logs, env, options) {
  const begun = performance.now();
  const parent = !options.supervised && env.npm_lifecycle_event === 'up' ? recorded('npm', process.ppid) : null;
  const self = recorded('up', process.pid);
  if (self === null)
    throw new StackError(
      'This system does not tell when a process was started (no /proc and no ps), which is needed to find it again.',
    );
  /** @type {Running} */
  const running = { supervisor: self, parent, state: 'starting', parts: [] };
  const other = await takeHome(home, running);
  if (other !== null) return sayRunning(home, other);
  const progress = new Progress();
  try {
    await keepOldLogs(logs, options);
    await supervise(new Stack(await readSettings(env), progress, running), { env, begun, options, progress, parent });
    return 0;
  } catch (error) {
    progress.close();
    await release(home);
    throw error;
  }
}

/** Takes the home folder, after cleaning what a killed `up` left there. @param {string} home @param {Running} running @returns {Promise<Running | null>} who has it */
async function takeHome(home, running) {
  while (!(await claim(home, running))) {
    const other = await readRunning(home);
    if (other === null) continue;
    if (isThere(other.supervisor) && !isEnding(other)) return other;
    if (isThere(other.supervisor)) await pause(100);
    else await cleanAfter(home, other);
  }
  return null;
}

/** @param {Running} other */
function isEnding({ state, parent }) {
  return state === 'stopping' || (parent !== null && !isThere(parent));
}

/** @param {string} home @param {Running} other */
async function cleanAfter(home, other) {
  const left = await cleanUp(other.parts);
  if (left.length > 0)
    process.stdout.write(
      `An earlier stack was not stopped in order; its ${left.join(', ')} still ran and ${left.length > 1 ? 'were' : 'was'} stopped.\n`,
    );
  await release(home);
}

/** @param {string} home @param {Running} other */
async function sayRunning(home, other) {
  const { pid } = other.supervisor;
  if (other.state === 'starting') {
    process.stdout.write(
      `Sluice is being started already, by process ${pid} with ${home}. Its logs are in ${join(home, 'logs')}.\n`,
    );
    return 0;
  }
  if (!other.parts.every(isThere)) await askToRevive(home, other);
  const { api_url, docs_url, prefect_ui_url } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8'));
  process.stdout.write(
    `Sluice is running already, by process ${pid} with ${home}:\n${addressLines({ api_url, docs_url, prefect_ui_url })}\nnpm run down stops it.\n`,
  );
  return 0;
}

/** @param {string} home @param {Running} other */
async function askToRevive(home, other) {
  const dead = other.parts.filter((part) => !isThere(part)).map((part) => part.name);
  process.stdout.write(`Starting again what has died: ${dead.join(', ')}\n`);
  process.kill(other.supervisor.pid, 'SIGUSR2');
  for (const deadline = Date.now() + REVIVE_MS; Date.now() < deadline; await pause(200)) {
    const now = await readRunning(home);
    if (now === null) throw new StackError(`The stack has ended meanwhile. Its logs are in ${join(home, 'logs')}.`);
    const { pids } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8').catch(() => '{"pids":{}}'));
    if (now.parts.every((part) => isThere(part) && pids[part.name] === part.pid)) return;
  }
  throw new StackError(
    `${dead.join(', ')} could not be started again within ${REVIVE_MS / 1000} s. The logs are in ${join(home, 'logs')}.`,
  );
}

/** @param {{ api_url: string, docs_url: string, prefect_ui_url: string }} stack */
function addressLines({ api_url, docs_url, prefect_ui_url }) {
  return [`  API         ${api_url}/api/v1`, `  Swagger UI  ${docs_url}`, `  Prefect UI  ${prefect_ui_url}`].join('\n');
}

/** The logs of last time stay as `.old`. @param {string} logs @param {Options} options */
async function keepOldLogs(logs, { supervised }) {
  for (const name of await readdir(logs)) {
    if (!name.endsWith('.log') || (supervised && name === 'up.log')) continue;
    await rename(join(logs, name), join(logs, `${name}.old`));
  }
}

/**
 * @param {Stack} stack
 * @param {{ env: NodeJS.ProcessEnv, begun: number, options: Options, progress: Progress, parent: import('./record.mjs').Recorded | null }} context
 */
async function supervise(stack, { env, begun, options, progress, parent }) {
  const end = ending(stack, progress);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => end(0, `${signal}: stopping`));
  process.on('uncaughtException', (error) => end(1, error.stack ?? String(error)));
  if (parent !== null) setInterval(() => isThere(parent) || end(1, 'npm was killed: stopping'), PARENT_MS).unref();
  try {
    await started(stack);
  } catch (error) {
    return end(
      1,
      `\n${error instanceof StackError ? error.message : (noSpace(error, stack.home)?.message ?? (error instanceof Error ? error.stack : error))}`,
    );
  }
  const restarts = new Restarts(stack, (line) => progress.print(line));
  stack.onDeath = (sentence, part) => {
    if (stack.alive.length > 0) return void restarts.died(part, sentence);
    progress.print(`\n${sentence}`);
    void end(1, 'Nothing runs any more: stopping.');
  };
  process.on('SIGUSR2', () => stack.revive().catch((error) => progress.print(error.message)));
  await showSample(stack, { env, options, progress });
  progress.print(
    `\nReady after ${secondsSince(begun).trim()}.\n${addressLines(stack.addresses)}\n  Data, logs  ${stack.home}`,
  );
  progress.print(
    options.supervised ? 'npm run down stops it; the data stays.' : 'Ctrl-C stops everything; the data stays.',
  );
  process.send?.('ready');
}

/** Healthy, or whatever went wrong first. @param {Stack} stack @returns {Promise<void>} */
function started(stack) {
  return new Promise((resolve, reject) => {
    stack.onDeath = (sentence) => reject(new StackError(sentence));
    stack.start().then(resolve, reject);
  });
}

/** @param {Stack} stack @param {Progress} progress */
function ending(stack, progress) {
  let begun = false;
  return async (/** @type {number} */ code, /** @type {string} */ why) => {
    if (begun) {
      // Asked twice: whoever presses Ctrl-C again does not want to wait.
      return why.startsWith('SIGINT') ? killAllServices() : undefined;
    }
    begun = true;
    progress.print(why);
    await stack.stop();
    progress.close();
    process.exit(code);
  };
}

/** @param {Stack} stack @param {{ env: NodeJS.ProcessEnv, options: Options, progress: Progress }} context */
async function showSample(stack, { env, options, progress }) {
  if (!options.sample) return;
  if (!sampleIsReadable(env))
    return progress.print('\nThe sample is not loaded: data/sample is not below SLUICE_FILE_ROOTS.');
  const { api_url: apiUrl, destination_url: destinationUrl } = stack.addresses;
  try {
    const loaded = await progress.step('sample', (report) => loadSample({ apiUrl, destinationUrl, report }));
    progress.print(['', ...(await sampleReport(loaded, destinationUrl))].join('\n'));
  } catch (error) {
    progress.print(`\nThe sample was not loaded. ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {string} home @param {string} logs @param {Options} options */
async function upDetached(home, logs, options) {
  const other = await readRunning(home);
  if (other !== null && isThere(other.supervisor) && !isEnding(other)) return sayRunning(home, other);
  const file = join(logs, 'up.log');
  const log = openSync(file, 'w', 0o600);
  const args = ['--supervised', ...(options.sample ? [] : ['--no-sample'])];
  const child = fork(join(ROOT, 'tools', 'up.mjs'), args, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => child.kill('SIGTERM'));
  /** @type {Promise<number>} */
  const outcome = new Promise((resolve) => {
    child.once('message', () => resolve(0));
    child.once('exit', (code) => resolve(code ?? 1));
  });
  const code = await follow(file, outcome);
  if (child.connected) child.disconnect();
  child.unref();
  return code;
}

/** Copies a growing file to our output until the outcome is there. @param {string} file @param {Promise<number>} outcome */
async function follow(file, outcome) {
  let [position, ended] = [0, false];
  void outcome.then(() => (ended = true));
  for (let last = false; ;) {
    last = ended;
    for await (const chunk of createReadStream(file, { start: position })) {
      position += chunk.length;
      process.stdout.write(chunk);
    }
    if (last) return outcome;
    await Promise.race([outcome, pause(100)]);
  }
}
