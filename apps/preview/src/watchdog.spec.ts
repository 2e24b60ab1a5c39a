import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const TOOLS = pathToFileURL(join(__dirname, '../../../tools/typescript.mjs')).href;
/** Watched, then busy without a pause for ever. */
const busy = (ms: number, bytes = 4e9, work = '') =>
  `import(${JSON.stringify(TOOLS)}).then(({ requireTypeScript }) => {
    requireTypeScript('apps/preview/src/watchdog.ts').endBeyond({ ms: ${ms}, bytes: ${bytes} });
    process.stdout.write(process.pid + '\\n', () => { for (;;) { ${work} } });
  });`;

const started: ChildProcess[] = [];
function run(program: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  return child;
}
afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));

it('ends a process that is busy without a pause', async () => {
  const child = run(busy(500));
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

it('ends a process that takes memory V8 does not count', async () => {
  // Stops by itself at 1 GB: then the test fails instead of the machine.
  const takes =
    'all = globalThis.all ?? []; if (all.length === 64) process.exit(1); all.push(Buffer.alloc(16 << 20, 1));';
  const child = run(busy(60_000, 400e6, takes));
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

it('ends a process whose parent was killed', async () => {
  const parent = run(
    `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(busy(60_000))}], { stdio: 'inherit', detached: true }); setInterval(() => 0, 1e6);`,
  );
  const [said] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(said);
  // Whoever holds it open has ended; its id may stay for as long as nobody asks how.
  const ended = once(parent.stdout.resume(), 'end').then(() => true);
  const tooLate = new Promise<boolean>((resolve) => setTimeout(resolve, 15_000, false).unref());
  parent.kill('SIGKILL');
  const has = await Promise.race([ended, tooLate]);
  if (!has) process.kill(pid, 'SIGKILL');
  expect(has).toBe(true);
});
