import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from './folders.mjs';
import { prepare } from './prepare.mjs';

/** @typedef {{ status: string, title: string, ancestorTitles: string[] }} Assertion */
/** @typedef {{ name: string, status: string, message: string, assertionResults: Assertion[] }} Suite */

/** @param {string[]} args for jest @returns {Promise<number>} the exit code */
export async function test(args) {
  await prepare({ build: true });
  const folder = await mkdtemp(join(tmpdir(), 'sluice-results-'));
  try {
    const file = join(folder, 'results.json');
    const code = await jest([...args, '--json', `--outputFile=${file}`]);
    return report(await readFile(file, 'utf8').catch(() => null), code);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Jest itself shows progress and failures. @param {string[]} args @returns {Promise<number>} its exit code */
function jest(args) {
  const child = spawn(process.execPath, [join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js'), ...args], {
    cwd: ROOT,
    stdio: ['inherit', 'ignore', 'inherit'],
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** @param {string | null} text jest's results; `null` when it made none @param {number} code */
function report(text, code) {
  if (text === null) {
    process.stdout.write('Jest ended without results.\n0 passed, 1 failed, 0 skipped\n');
    return code || 1;
  }
  /** @type {{ testResults: Suite[] }} */
  const { testResults } = JSON.parse(text);
  const tests = testResults.flatMap((suite) => suite.assertionResults);
  const count = (/** @type {string} */ status) => tests.filter((each) => each.status === status).length;
  const broken = testResults.filter(couldNotRun);
  for (const line of [...skippedLines(testResults), ...failedLines(testResults)]) process.stdout.write(`${line}\n`);
  const failed = count('failed') + broken.length;
  process.stdout.write(
    `${count('passed')} passed, ${failed} failed, ${tests.length - count('passed') - count('failed')} skipped\n`,
  );
  return failed === 0 ? code : code || 1;
}

/** @param {Suite} suite */
function couldNotRun({ status, assertionResults }) {
  return status === 'failed' && !assertionResults.some((each) => each.status === 'failed');
}

/** The reason stands in the title, by convention in brackets at its end. @param {Suite[]} suites */
function skippedLines(suites) {
  const titles = suites.flatMap((suite) =>
    suite.assertionResults
      .filter((each) => !['passed', 'failed'].includes(each.status))
      .map((each) => titleOf(suite, each)),
  );
  return titles.map((title) => `skipped: ${title}`);
}

/** @param {Suite[]} suites */
function failedLines(suites) {
  return suites.flatMap((suite) => {
    const failed = suite.assertionResults
      .filter((each) => each.status === 'failed')
      .map((each) => `failed: ${titleOf(suite, each)}`);
    return couldNotRun(suite) ? [`failed: ${relative(ROOT, suite.name)} could not run`, ...failed] : failed;
  });
}

/** @param {Suite} suite @param {Assertion} test */
function titleOf({ name }, { ancestorTitles, title }) {
  return [relative(ROOT, name), ...ancestorTitles, title].join(' › ');
}
