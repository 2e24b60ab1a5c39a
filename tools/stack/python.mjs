import { runCommand } from './commands.mjs';
import { StackError } from './errors.mjs';
import { ROOT } from './folders.mjs';

const OLDEST = 10;
const NEWEST = 14;
const NAMES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.14', 'python'];
const PROBE = `
import sys
try:
    import venv, ensurepip
    able = 1
except ImportError:
    able = 0
print(sys.version_info[0], sys.version_info[1], able, sys.executable)
`;

/** @typedef {{ executable: string, version: string }} Python */

/**
 * A Python which Prefect runs on (3.10 to 3.14) and which can make a virtual environment.
 * @param {NodeJS.ProcessEnv} [env] `SLUICE_PYTHON` names the one to take
 * @returns {Promise<Python>}
 */
export async function findPython(env = process.env) {
  const names = env.SLUICE_PYTHON ? [env.SLUICE_PYTHON] : NAMES;
  const found = [];
  for (const name of names) {
    const probed = await probe(name, env);
    if (probed === null) continue;
    if (fits(probed) && probed.able) return { executable: probed.executable, version: probed.version };
    found.push(probed);
  }
  throw unusable(found, env);
}

/** @typedef {{ major: number, minor: number, version: string, able: boolean, executable: string }} Probed */

/** @param {Probed} probed */
function fits({ major, minor }) {
  return major === 3 && minor >= OLDEST && minor <= NEWEST;
}

/** @param {Probed[]} found @param {NodeJS.ProcessEnv} env */
function unusable(found, env) {
  const unable = found.find(fits);
  if (unable !== undefined) {
    return new StackError(
      `Python ${unable.version} (${unable.executable}) has no venv module, which Prefect is installed with. ` +
        `Install it (Debian and Ubuntu: apt install python${unable.version}-venv), set SLUICE_PYTHON to another Python, or set PREFECT_API_URL to a Prefect server you have.`,
    );
  }
  const there =
    found.length === 0
      ? 'none was found'
      : `found: ${found.map((each) => `${each.version} (${each.executable})`).join(', ')}`;
  const asked = env.SLUICE_PYTHON ? ` as SLUICE_PYTHON=${env.SLUICE_PYTHON}` : '';
  return new StackError(
    `Prefect needs Python 3.${OLDEST} to 3.${NEWEST} and ${there}${asked}. ` +
      'Install Python (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python), set SLUICE_PYTHON to its path, or set PREFECT_API_URL to a Prefect server you have.',
  );
}

/** @param {string} name @param {NodeJS.ProcessEnv} env @returns {Promise<Probed | null>} `null`: cannot be run */
async function probe(name, env) {
  const { output } = await runCommand({ command: name, args: ['-I', '-c', PROBE], cwd: ROOT, env });
  return parse(output);
}

/** @param {string} output */
function parse(output) {
  const match = /^(\d+) (\d+) ([01]) (.+)$/m.exec(output);
  if (match === null) return null;
  const [, major = '', minor = '', able, executable = ''] = match;
  return { major: Number(major), minor: Number(minor), version: `${major}.${minor}`, able: able === '1', executable };
}
