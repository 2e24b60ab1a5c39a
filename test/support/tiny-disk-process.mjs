/**
 * Holds a small file system in memory for one test file. It goes with the channel, also when the tests died. Each message is answered.
 */
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresUser } from '../../tools/stack/folders.mjs';
import { runCommand } from '../../tools/stack/commands.mjs';

const PIECE = Buffer.alloc(64 * 1024, 'x');

/** @type {string} */
let mountPoint;

/** @param {string[]} args the first is the program */
async function must([command = '', ...args]) {
  const { ok, how, output } = await runCommand({ command, args, cwd: '/', env: process.env });
  if (!ok) throw new Error(`${command} ${args.join(' ')} failed (${how}): ${output}`);
}

const filler = () => join(mountPoint, 'filler');

const COMMANDS = {
  /** `folder`: on the disk, PostgreSQL's own. */
  make: async (/** @type {{ mebibytes: number }} */ { mebibytes }) => {
    const user = postgresUser();
    const base = (await canReach(tmpdir(), user)) ? tmpdir() : '/tmp';
    mountPoint = await mkdtemp(join(base, 'sluice-disk-'));
    await must(['mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'tmpfs', mountPoint]);
    const folder = join(mountPoint, 'data');
    await mkdir(folder, { mode: 0o700 });
    if (user !== null) await chown(folder, user.uid, user.gid);
    return { folder };
  },
  /** Until not one byte more fits. */
  fill: async () => {
    for (;;) {
      const error = await writeFile(filler(), PIECE, { flag: 'a' }).catch((/** @type {unknown} */ it) => it);
      if (/** @type {NodeJS.ErrnoException | undefined} */ (error)?.code === 'ENOSPC') return {};
      if (error !== undefined) throw error;
    }
  },
  free: async () => {
    await rm(filler(), { force: true });
    return {};
  },
};

async function end() {
  // Lazily: a server may still have files open there.
  if (mountPoint !== undefined) await must(['umount', '--lazy', mountPoint]).catch(() => {});
  if (mountPoint !== undefined) await rm(mountPoint, { recursive: true, force: true }).catch(() => {});
  process.exit(0);
}

process.on('message', async (/** @type {{ command: keyof typeof COMMANDS, mebibytes: number }} */ message) => {
  try {
    process.send?.(await COMMANDS[message.command](message));
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', end);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);
