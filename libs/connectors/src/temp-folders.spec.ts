import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { makeTempFolder, removeStaleFolders } from './temp-folders';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'folders-'));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

/** As if the process with this pid had made it. */
function madeBy(pid: number, name = 'spool'): string {
  const mine = makeTempFolder(parent, name as 'spool');
  const theirs = mine.replace(`.${process.pid}.`, `.${pid}.`);
  mkdirSync(theirs);
  writeFileSync(join(theirs, '0'), 'x');
  rmSync(mine, { recursive: true });
  return theirs;
}

function aged(folder: string, hours: number): string {
  mkdirSync(folder, { recursive: true });
  const at = new Date(Date.now() - hours * 3600_000);
  utimesSync(folder, at, at);
  return folder;
}

describe('folders for copies', () => {
  it('are for this user alone', () => {
    expect(statSync(makeTempFolder(join(parent, 'deeper'), 'rejected')).mode & 0o777).toBe(0o700);
  });

  it('go when their process is gone, with all they hold', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    const { pid = 0 } = child;
    await once(child, 'exit');
    const [spool, rejected, head] = [madeBy(pid), madeBy(pid, 'rejected'), madeBy(pid, 'head')];
    expect((await removeStaleFolders(parent)).sort()).toEqual([basename(head), basename(rejected), basename(spool)]);
    expect([spool, rejected, head].map((path) => existsSync(path))).toEqual([false, false, false]);
  });

  it('stay as long as their process lives, however old they are', async () => {
    const mine = aged(makeTempFolder(parent, 'spool'), 1000);
    const parents = aged(madeBy(process.ppid), 1000);
    expect(await removeStaleFolders(parent)).toEqual([]);
    expect([existsSync(mine), existsSync(parents)]).toEqual([true, true]);
  });

  it('of another machine or an older version stay for a day', async () => {
    const young = [
      aged(join(parent, 'sluice-spool-elsewhere-1.1.abc'), 23),
      aged(join(parent, 'sluice-spool-abc'), 23),
    ];
    const old = [
      aged(join(parent, 'sluice-spool-elsewhere-1.1.abd'), 25),
      aged(join(parent, 'sluice-rejected-abd'), 25),
    ];
    await removeStaleFolders(parent);
    expect([...young, ...old].map((folder) => existsSync(folder))).toEqual([true, true, false, false]);
  });

  it('of anybody else are none of ours, and no folder is no fault', async () => {
    const theirs = aged(join(parent, 'sluice-spooled-x'), 1000);
    await removeStaleFolders(parent);
    expect(existsSync(theirs)).toBe(true);
    expect(await removeStaleFolders(join(parent, 'none'))).toEqual([]);
  });
});
