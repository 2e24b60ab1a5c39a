/**
 * `npm run generate`: makes the committed files anew that are made from others. With `--check` it leaves them as they are and
 * fails when one would change.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresUser, ROOT } from './stack/folders.mjs';
import { freePort } from './stack/ports.mjs';
import { prepare, runAsCommand } from './stack/prepare.mjs';
import { indent, stopAllServices } from './stack/processes.mjs';

/**
 * One line for each: the files it writes, and the command that writes them (arguments of node, from the repository's folder).
 * `postgres`: the command gets an empty PostgreSQL in GENERATE_POSTGRES_URL (superuser, any database may be made). `build`: it needs dist/.
 * @type {{ files: string[], command: string[], postgres?: boolean, build?: boolean }[]}
 */
const GENERATORS = [
  { files: ['libs/orchestration-gateway/src/generated/prefect-api.ts'], command: ['tools/generate-prefect-types.mjs'] },
  { files: ['libs/database/schema.sql'], command: ['tools/generate-schema.mjs'], postgres: true },
  { files: ['apps/api/openapi.json'], command: ['tools/generate-openapi.mjs'], build: true },
];

/** @param {boolean} check */
async function generate(check) {
  await prepare({ build: GENERATORS.some((generator) => generator.build) });
  const env = GENERATORS.some((generator) => generator.postgres)
    ? { ...process.env, GENERATE_POSTGRES_URL: await emptyPostgres() }
    : process.env;
  const stale = [];
  for (const generator of GENERATORS) stale.push(...(await runOne(generator, check, env)));
  if (stale.length > 0)
    process.stdout.write(
      `Not what their sources give: ${stale.join(', ')}. Run npm run generate and commit the result.\n`,
    );
  return stale.length === 0 ? 0 : 1;
}

/** @param {typeof GENERATORS[number]} generator @param {boolean} check @param {NodeJS.ProcessEnv} env @returns {Promise<string[]>} files that differ from what is committed, when checking */
async function runOne({ files, command }, check, env) {
  const before = await Promise.all(files.map(read));
  const { code, output } = await node(command, env);
  if (code !== 0) throw new Error(`node ${command.join(' ')} failed (${code}):\n${indent(output)}`);
  if (!check) return [];
  const after = await Promise.all(files.map(read));
  await Promise.all(files.map((file, index) => restore(file, before[index] ?? null, after[index] ?? null)));
  return files.filter((_, index) => before[index] !== after[index]);
}

/** @param {string} file @returns {Promise<string | null>} */
function read(file) {
  return readFile(join(ROOT, file), 'utf8').catch(() => null);
}

/** @param {string} file @param {string | null} before @param {string | null} after */
async function restore(file, before, after) {
  if (before === after) return;
  await (before === null ? rm(join(ROOT, file)) : writeFile(join(ROOT, file), before));
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<{ code: number | null, output: string }>} */
function node(args, env) {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

/** @type {(() => Promise<unknown>)[]} */
const cleanups = [];

async function emptyPostgres() {
  const { startPostgres } = await import('./stack/postgres.mjs');
  const base = (await canReach(tmpdir(), postgresUser())) ? tmpdir() : '/tmp';
  const folder = await mkdtemp(join(base, 'sluice-generate-'));
  cleanups.push(stopAllServices, () => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const options = {
    dataDir: join(folder, 'postgres'),
    port: await freePort(),
    password: 'generate',
    logFile: join(folder, 'postgres.log'),
  };
  return (await startPostgres({ ...options, settings: { fsync: 'off' } })).url('postgres');
}

await runAsCommand(() => generate(process.argv.includes('--check')));
for (const cleanup of cleanups) await cleanup();
