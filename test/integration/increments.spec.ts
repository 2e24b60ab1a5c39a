import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import type { RunOutcome } from '@sluice/batch-orchestrator';
import { mkdtemp } from 'node:fs/promises';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const NOTHING = {
  status: 'success',
  summary: 'Nothing new to load.',
  errors: [],
  metrics: { files_processed: 0, rows_ingested: 0, bytes_read: 0 },
};

async function ids(): Promise<number[]> {
  return (await plane.rows<{ id: string }>('SELECT id FROM t ORDER BY id')).map(({ id }) => Number(id));
}

function touch(path: string): Promise<void> {
  const moment = new Date(Date.now() + 10_000);
  return utimes(join(plane.folder, path), moment, moment);
}

describe('a second run', () => {
  it('loads only what is new', async () => {
    await plane.write('a.csv', 'id\n1\n2\n');
    const order = await plane.order();
    await plane.run(order);
    await plane.write('b.csv', 'id\n3\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'success',
      metrics: { files_discovered: 2, files_processed: 1, rows_ingested: 1 },
    });
    expect(await plane.run(order)).toMatchObject(NOTHING);
    expect(await ids()).toEqual([1, 2, 3]);
  });

  it('finds a touched file unchanged, says nothing, and does not read it again the next time', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    const before = await plane.rows('SELECT fingerprint FROM sluice.ledger');
    await touch('a.csv');
    expect(await plane.run(order)).toMatchObject(NOTHING);
    expect(await plane.rows('SELECT fingerprint FROM sluice.ledger')).not.toEqual(before);
    expect(await ids()).toEqual([1]);
  });

  it('leaves a file with new content alone and reports it, each time', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await plane.write('a.csv', 'id\n1\n2\n');
    for (let run = 0; run < 2; run++)
      expect(await plane.run(order)).toMatchObject({
        status: 'success',
        errors: [
          {
            file: 'a.csv',
            error_type: 'changed',
            message: expect.stringContaining('changed after it was loaded') as string,
          },
        ],
        metrics: { files_processed: 0, files_failed: 0 },
      });
    expect(await ids()).toEqual([1]);
  });

  it('tries a failed file again and loads it once it is mended', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await plane.write('b.csv', 'id\nx\n');
    const failed = {
      status: 'failed',
      errors: [{ file: 'b.csv', line: 2 }],
      metrics: { files_failed: 1, files_processed: 0 },
    };
    expect(await plane.run(order)).toMatchObject(failed);
    expect(await plane.run(order)).toMatchObject(failed);
    await plane.write('b.csv', 'id\n2\n');
    expect(await plane.run(order)).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 1 } });
    expect(await ids()).toEqual([1, 2]);
  });

  it('takes a renamed file for a new one', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await rename(join(plane.folder, 'a.csv'), join(plane.folder, 'b.csv'));
    expect(await plane.run(order)).toMatchObject({ metrics: { files_discovered: 1, files_processed: 1 } });
    expect(await ids()).toEqual([1, 1]);
  });

  it('does not mind that loaded files are gone', async () => {
    await plane.write('a.csv', 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await rm(join(plane.folder, 'a.csv'));
    expect(await plane.run(order)).toMatchObject(NOTHING);
  });
});

test('many files are loaded in batches, each once, and what fails among them is counted and kept to 100 errors', async () => {
  for (let n = 0; n < 260; n++) await plane.write(`f${n}.csv`, n % 2 === 0 ? `id\n${n}\n` : 'id\nx\n');
  const order = await plane.order();
  await plane.write('0.csv', 'id\n1000\n');
  await plane.run({ ...order, source: { ...order.source, file_pattern: '0.csv' } });
  const outcome = await plane.run(order);
  expect(outcome.metrics).toMatchObject({
    files_discovered: 261,
    files_processed: 130,
    files_failed: 130,
    rows_ingested: 130,
  });
  expect(outcome.status).toBe('partial');
  expect(outcome.errors).toHaveLength(100);
  expect(outcome.files).toHaveLength(50);
  expect(await plane.rows('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM t')).toEqual([
    { rows: 131, ids: 131 },
  ]);
}, 30_000);

test('two ingestions into one table keep their rows apart by their load ids', async () => {
  await plane.write('one/a.csv', 'id,name\n1,x\n');
  await plane.write('two/a.csv', 'id,extra\n2,y\n');
  const [one, two] = [await plane.order({ pattern: 'one/*' }), await plane.order({ pattern: 'two/*' })];
  expect((await Promise.all([plane.run(one), plane.run(two)])).map(({ errors }) => errors)).toEqual([[], []]);
  expect(
    await plane.rows(
      'SELECT t.id, l.path, t.name, t.extra FROM t JOIN sluice.ledger l ON l.load_id = t._load_id ORDER BY 1',
    ),
  ).toEqual([
    { id: '1', path: 'one/a.csv', name: 'x', extra: null },
    { id: '2', path: 'two/a.csv', name: null, extra: 'y' },
  ]);
});

describe('a folder', () => {
  async function load(pattern: string): Promise<RunOutcome> {
    return plane.run(await plane.order({ pattern }));
  }

  it.each([
    ['*.csv', ['a.csv']],
    ['**/*.csv', ['a.csv', 'in/b.csv', 'in/deep/c.csv']],
    ['in/*.csv', ['in/b.csv']],
    ['{a,d}.*', ['a.csv', 'd.txt']],
    ['.*.csv', ['.hidden.csv']],
    ['*', ['a.csv', 'd.txt']],
    ['?.csv', ['a.csv']],
    ['nothing*', []],
  ])('with the pattern %s has the files %j', async (pattern, expected) => {
    for (const path of ['a.csv', 'in/b.csv', 'in/deep/c.csv', 'd.txt', '.hidden.csv', '.in/e.csv'])
      await plane.write(path, 'id\n1\n');
    const { errors, metrics } = await load(pattern);
    expect(errors).toEqual([]);
    expect(metrics.files_discovered).toBe(expected.length);
    if (expected.length > 0)
      expect(
        (await plane.rows<{ path: string }>('SELECT path FROM sluice.ledger ORDER BY path COLLATE "C"')).map(
          ({ path }) => path,
        ),
      ).toEqual(expected);
  });

  it('has the files its links lead to, and refuses those outside', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'sluice-outside-'));
    try {
      await writeFile(join(outside, 'secret.csv'), 'id\n666\n');
      await plane.write('real/a.csv', 'id\n1\n');
      await symlink(join(plane.folder, 'real/a.csv'), join(plane.folder, 'good.csv'));
      await symlink(join(outside, 'secret.csv'), join(plane.folder, 'out.csv'));
      await symlink(join(plane.folder, 'nowhere'), join(plane.folder, 'dangling.csv'));
      await symlink(outside, join(plane.folder, 'folder.csv'));
      const outcome = await load('*.csv');
      expect(outcome).toMatchObject({
        status: 'partial',
        metrics: { files_discovered: 3, files_processed: 1, files_failed: 2 },
      });
      expect(outcome.errors).toMatchObject([
        { file: 'dangling.csv', error_type: 'not_found', retryable: true },
        {
          file: 'out.csv',
          error_type: 'permission',
          message: 'out.csv is a link out of the folders that may be read (SLUICE_FILE_ROOTS). Copy the file instead.',
        },
      ]);
      expect(await ids()).toEqual([1]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  it('may hold pipes and links to them, which are no files', async () => {
    execFileSync('mkfifo', [join(plane.folder, 'pipe')]);
    await symlink(join(plane.folder, 'pipe'), join(plane.folder, 'pipe.csv'));
    await plane.write('a.csv', 'id\n1\n');
    expect(await load('*')).toMatchObject({ status: 'success', metrics: { files_discovered: 1 } });
  });

  it('may hold a name that is no UTF-8, which fails instead of being passed over', async () => {
    const odd = Buffer.concat([Buffer.from(join(plane.folder, 'b')), Buffer.from([0xff]), Buffer.from('.csv')]);
    await writeFile(odd, 'id\n1\n');
    await plane.write('a.csv', 'id\n1\n');
    const outcome = await load('*.csv').finally(() => rm(odd));
    expect(outcome).toMatchObject({ status: 'partial', metrics: { files_discovered: 2, files_failed: 1 } });
    expect(outcome.errors[0]?.message).toMatch(/^The name of b\ufffd\.csv is not valid UTF-8\. Rename the file\.$/);
  });

  it('that is missing, is a file or lies outside the roots fails the run with the remedy', async () => {
    const order = await plane.order();
    const failed = async (path: string) => plane.run({ ...order, source: { ...order.source, path } });
    await plane.write('file', '');
    const missing = `${plane.folder}/gone`;
    expect(await failed(missing)).toMatchObject({
      status: 'failed',
      errors: [
        {
          error_type: 'not_found',
          retryable: true,
          message: `The folder ${missing} does not exist. Create it or correct source.path.`,
        },
      ],
    });
    expect(await failed(join(plane.folder, 'file'))).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'not_found', retryable: false }],
    });
    expect(await failed('/etc')).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'permission', retryable: false }],
    });
    await mkdir(join(plane.folder, 'sub'));
    await symlink('/etc', join(plane.folder, 'sub/link'));
    expect(await failed(join(plane.folder, 'sub/link'))).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'permission' }],
    });
  });

  const ordinary = process.getuid?.() === 0 ? it.skip : it;
  ordinary('with a file that may not be read fails that file alone', async () => {
    await plane.write('a.csv', 'id\n1\n');
    await plane.write('b.csv', 'id\n2\n');
    execFileSync('chmod', ['000', join(plane.folder, 'a.csv')]);
    expect(await load('*.csv')).toMatchObject({
      status: 'partial',
      errors: [{ file: 'a.csv', error_type: 'permission' }],
    });
  });
});

test('a file that grows while it is read fails, nothing of it is in, and the next run has it whole', async () => {
  const lines = Array.from({ length: 400_000 }, (_, n) => `${n},some text to make it longer`).join('\n');
  await plane.write('a.csv', `id,note\n${lines}\n`);
  const order = await plane.order();
  let changed = false;
  const report = async () => {
    while (!changed) {
      const [row] = await plane.rows<{ bytes: string }>(
        'SELECT coalesce(max(bytes_processed), 0) AS bytes FROM pg_stat_progress_copy',
      );
      if (Number(row?.bytes) > 0) {
        changed = true;
        await writeFile(join(plane.folder, 'a.csv'), '-1,late\n', { flag: 'a' });
      }
    }
  };
  const [outcome] = await Promise.all([plane.run(order), report()]);
  expect(outcome).toMatchObject({
    status: 'failed',
    errors: [{ file: 'a.csv', error_type: 'changed', retryable: true }],
  });
  expect(await plane.rows('SELECT 1 FROM t')).toEqual([]);
  expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { rows_ingested: 400_001 } });
}, 30_000);
