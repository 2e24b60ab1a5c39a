import { readdir } from 'node:fs/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rejection } from '@sluice/connectors';
import type { QualitySpec } from '@sluice/ingestion';
import { RejectionLimit } from './rejection-limit';
import { Rejections } from './rejections';

function rejection(record: number): Rejection {
  return {
    record,
    line: record + 1,
    column: 'id',
    type: 'type_mismatch',
    reason: `Line ${record + 1} is bad.`,
    raw: 'x\n"ü"',
  };
}

describe('rejected rows', () => {
  let folder: string;
  let rejections: Rejections;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-spec-'));
    rejections = new Rejections(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each([0, 1, 499, 500, 501, 1750])('come back all %i, in their order', async (count) => {
    for (let n = 0; n < count; n++) rejections.add(rejection(n));
    const back: Rejection[] = [];
    for await (const each of rejections.all()) back.push(each);
    expect(back).toEqual(Array.from({ length: count }, (_, n) => rejection(n)));
    expect(rejections.count).toBe(count);
  });

  it('are forgotten for another try', async () => {
    for (let n = 0; n < 600; n++) rejections.add(rejection(n));
    await rejections.clear();
    rejections.add(rejection(7));
    const back: Rejection[] = [];
    for await (const each of rejections.all()) back.push(each);
    expect(back).toEqual([rejection(7)]);
    expect(rejections.first).toEqual(rejection(7));
  });

  it('leave nothing behind', async () => {
    for (let n = 0; n < 600; n++) rejections.add(rejection(n));
    await rejections.close();
    expect(await readdir(folder)).toEqual([]);
  });

  it('that cannot be kept are a fault of the machine, told by the setting', async () => {
    const blocked = join(folder, 'a file');
    await writeFile(blocked, '');
    const full = new Rejections(blocked);
    const addMany = () => {
      for (let n = 0; n < 600; n++) full.add(rejection(n));
    };
    expect(addMany).toThrow(
      expect.objectContaining({
        name: 'BadFile',
        type: 'limit',
        retry: 'later',
        message: `The rows left out could not be kept in ${blocked} (EEXIST). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
      }),
    );
  });

  it.each([
    [null, 1000, true],
    [2, 2, true],
    [2, 3, false],
    ['25%', 1, true],
    ['25%', 2, false],
  ])('with the limit %s: %i of them beside 3 good rows', (max_rejected_rows, count, kept) => {
    const limit = new RejectionLimit({ max_rejected_rows } as QualitySpec);
    for (let n = 0; n < count; n++) rejections.add(rejection(n));
    const check = () => limit.assertKept('a.csv', rejections, 3);
    if (kept) expect(check).not.toThrow();
    else expect(check).toThrow(/a\.csv has \d or more bad rows, and quality\.max_rejected_rows allows .*Line 1 is bad/);
  });
});
