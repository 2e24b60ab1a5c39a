import { constants, readFileSync } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this repository. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** @param {NodeJS.ProcessEnv} [env] the folder with everything a stack leaves behind: data, logs, `stack.json` */
export function sluiceHome(env = process.env) {
  return resolve(ROOT, env.SLUICE_HOME || '.sluice');
}

/** @typedef {{ name: string, uid: number, gid: number }} User */

/**
 * PostgreSQL refuses to run as root: then it runs as one of the users every system has. `null` when we are not root.
 * @returns {User | null}
 */
export function postgresUser() {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map(toUser);
  const user = ['postgres', '_postgres', 'nobody']
    .map((name) => users.find((candidate) => candidate.name === name))
    .find(Boolean);
  return user ?? { name: 'nobody', uid: 65534, gid: 65534 };
}

/** @param {string} line @returns {User} */
function toUser(line) {
  const [name = '', , uid, gid] = line.split(':');
  return { name, uid: Number(uid), gid: Number(gid) };
}

/**
 * Whether a user may walk down to a folder that exists or could be made there. @param {string} folder @param {User | null} user `null`: ourselves
 */
export async function canReach(folder, user) {
  if (user === null) return true;
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null && !mayEnter(found, user)) return false;
    if (at === dirname(at)) return true;
  }
}

/** @param {{ uid: number, gid: number, mode: number }} folder @param {User} user */
function mayEnter(folder, user) {
  if (folder.uid === user.uid) return (folder.mode & constants.S_IXUSR) !== 0;
  return (folder.mode & (folder.gid === user.gid ? constants.S_IXGRP : constants.S_IXOTH)) !== 0;
}

/**
 * The first of the folders that can be made, written to by us and reached by `user`; `null` when there is none.
 * @param {string[]} folders @param {User | null} user
 */
async function firstUsable(folders, user) {
  for (const folder of folders) {
    if (!(await canReach(folder, user)) || !(await canMake(folder))) continue;
    return folder;
  }
  return null;
}

/** @param {string} folder */
async function canMake(folder) {
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await access(folder, constants.W_OK);
    return (await isOurs(folder)) && (await isOurs(dirname(folder)));
  } catch {
    return false;
  }
}

/** Programs are started from these folders: one that somebody else made, or could exchange, is not used. @param {string} folder */
async function isOurs(folder) {
  const { uid, mode } = await stat(folder);
  const othersMayExchange = (mode & constants.S_IWOTH) !== 0 && (mode & STICKY) === 0;
  return (uid === 0 || uid === process.getuid?.()) && !othersMayExchange;
}

const STICKY = 0o1000;

/**
 * Where what is built once is kept for all clones and stacks of this user: `SLUICE_CACHE`, else the user's cache folder, else `.sluice/cache`.
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function cacheFolder(env = process.env) {
  if (env.SLUICE_CACHE) return resolve(ROOT, env.SLUICE_CACHE);
  const ofUser = env.XDG_CACHE_HOME || join(env.HOME || noHome(), '.cache');
  const fallback = join(ROOT, '.sluice', 'cache');
  return (
    (await firstUsable(isAbsolutePath(ofUser) ? [join(ofUser, 'sluice'), fallback] : [fallback], null)) ?? fallback
  );
}

/** @param {string} path */
const isAbsolutePath = (path) => resolve(path) === path;

/** HOME may be unset or empty, and then the system's list of users knows; it may know nothing either. */
function noHome() {
  try {
    return homedir();
  } catch {
    return '';
  }
}

/**
 * A folder that PostgreSQL's user can reach: the wanted one, or (below a home folder closed to others) one of the system's.
 * @param {string} wanted @param {string} name what to call it elsewhere @param {User | null} user
 */
export async function reachableFolder(wanted, name, user) {
  const elsewhere = ['/var/lib/sluice', '/var/tmp/sluice'].map((folder) => join(folder, name));
  return firstUsable([wanted, ...elsewhere], user);
}
