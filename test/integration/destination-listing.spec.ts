import { randomUUID } from 'node:crypto';
import type { HoldBack, LoadSession, SourceEntry } from '@sluice/connectors';
import { column, type DestinationPlane, destinationPlane, entry, int, order, put } from '../support/destination';

const ID = column('id', 'integer');
const NOTHING_RETRIED: HoldBack = { settings: 's', retry: null };

let plane: DestinationPlane;
let ingestion: string;
let session: LoadSession;
beforeAll(async () => {
  plane = await destinationPlane();
});
beforeEach(async () => {
  ingestion = randomUUID();
  session = await plane.session(ingestion);
});
afterEach(() => plane.clean());
afterAll(() => plane.close());

async function* listing(...entries: SourceEntry[]): AsyncGenerator<SourceEntry> {
  for (const item of entries) yield await Promise.resolve(item);
}

async function load(...paths: string[]): Promise<void> {
  await session.createTable(plane.table, [ID], { keys: [], rescued: false });
  await session.batch(order([ID]), async (batch) => {
    const loaded = [];
    for (const path of paths) loaded.push(await put(batch, path, [ID], [[int(1)]]));
    return loaded;
  });
}

const fail = (item: SourceEntry, settings = 's') =>
  session.recordFailures([{ entry: item, message: 'It is bad.' }], settings);
const pathsOf = (entries: readonly SourceEntry[]) => entries.map(({ path }) => path);
const fresh = async () => pathsOf(await session.fresh(null, 100));
/** As if so long had gone by since the last failure. */
const wait = (seconds: number) =>
  plane.client.query(
    `UPDATE sluice.failed_file SET next_attempt_at = next_attempt_at - ${seconds} * interval '1 second'`,
  );

describe('a listing', () => {
  it('is counted against the ledger: fresh, touched, vanished', async () => {
    await load('a', 'b', 'gone');
    const counts = await session.stage(
      listing(entry('a'), entry('b', 'f2'), entry('c', 'f1', 7), entry('d')),
      NOTHING_RETRIED,
    );
    expect(counts).toEqual({ listed: 4, bytes: 37, fresh: 2, freshBytes: 17, held: 0, touched: 1, vanished: 1 });
    expect(await fresh()).toEqual(['c', 'd']);
    expect(await session.touched(null, 10)).toEqual([
      { ...entry('b', 'f2'), version: 'v b', rows: 1, loadId: expect.stringMatching(/^\d+$/) },
    ]);
  });

  it('of nothing has everything vanished', async () => {
    await load('a');
    const counts = await session.stage(listing(), NOTHING_RETRIED);
    expect(counts).toEqual({ listed: 0, bytes: 0, fresh: 0, freshBytes: 0, held: 0, touched: 0, vanished: 1 });
  });

  it('is paged in the order of the bytes of its paths, whatever is in them', async () => {
    const paths = ['Z', 'a', 'a\tb', 'a\\N', 'b\n', '\u00e4', '\\N', '\u{1F600}'];
    await session.stage(listing(...paths.map((path) => entry(path))), NOTHING_RETRIED);
    const sorted = [...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(pathsOf(await session.listed(null, 100))).toEqual(sorted);
    expect(await fresh()).toEqual(sorted);
    expect(pathsOf(await session.fresh(sorted[2] as string, 2))).toEqual(sorted.slice(3, 5));
  });

  it('gives entries back as they came', async () => {
    const item = { path: 'a', bytes: 2 ** 40, fingerprint: 'x:y', modifiedAt: 1764000000123.5 };
    await session.stage(listing(item), NOTHING_RETRIED);
    expect(await session.fresh(null, 1)).toEqual([item]);
  });

  it('that breaks off raises what broke it, and can be staged again', async () => {
    const broken = new Error('the source went away');
    const breaking = async function* () {
      yield* listing(entry('a'));
      throw broken;
    };
    await expect(session.stage(breaking(), NOTHING_RETRIED)).rejects.toBe(broken);
    expect(await session.stage(listing(entry('a')), NOTHING_RETRIED)).toMatchObject({ listed: 1 });
  });
});

describe('a file that failed', () => {
  it('is held back with growing pauses and in the end quarantined', async () => {
    const pauses: unknown[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const [state] = await fail(entry('a'));
      expect(state).toMatchObject({ path: 'a', attempts: attempt });
      pauses.push(
        state?.nextAttemptAt === null
          ? null
          : Math.round(((state?.nextAttemptAt?.getTime() ?? 0) - Date.now()) / 10_000) * 10,
      );
    }
    expect(pauses).toEqual([60, 240, null]);
    await wait(100_000);
    expect(await session.stage(listing(entry('a')), NOTHING_RETRIED)).toMatchObject({ fresh: 0, held: 1 });
    expect(await fresh()).toEqual([]);
  });

  it('comes again when its pause is over', async () => {
    await fail(entry('a'));
    expect(await session.stage(listing(entry('a'), entry('b')), NOTHING_RETRIED)).toMatchObject({
      fresh: 1,
      freshBytes: 10,
      held: 1,
    });
    expect(await fresh()).toEqual(['b']);
    await wait(61);
    expect(await fresh()).toEqual(['a', 'b']);
  });

  it('comes again by hand also when the clock is set back then', async () => {
    await fail(entry('a'));
    await session.stage(listing(entry('a')), { settings: 's', retry: 'all' });
    await wait(-60);
    expect(await fresh()).toEqual(['a']);
  });

  it.each([
    ['it changes', entry('a', 'f2'), 's'],
    ['the settings change', entry('a'), 'others'],
  ])('comes again when %s, and is counted from one then', async (_when, item, settings) => {
    for (let attempt = 1; attempt <= 3; attempt++) await fail(entry('a'));
    await session.stage(listing(item), { settings, retry: null });
    expect(await fresh()).toEqual(['a']);
    expect(await fail(item, settings)).toMatchObject([{ attempts: 1 }]);
    expect(await fresh()).toEqual([]);
  });

  it.each([
    ['all', ['a', 'b']],
    [['b'], ['b']],
    [[], []],
  ] as const)('comes again by hand (%j), until it fails once more', async (retry, paths) => {
    for (let attempt = 1; attempt <= 3; attempt++) {
      await fail(entry('a'));
      await fail(entry('b'));
    }
    await session.stage(listing(entry('a'), entry('b')), { settings: 's', retry });
    expect(await fresh()).toEqual(paths);
    for (const path of paths) expect(await fail(entry(path))).toEqual([{ path, attempts: 4, nextAttemptAt: null }]);
    expect(await fresh()).toEqual([]);
  });

  it('is held back too when an earlier version of it is in', async () => {
    await load('a');
    await fail(entry('a', 'f2'));
    expect(await session.stage(listing(entry('a', 'f2')), NOTHING_RETRIED)).toMatchObject({ touched: 0, held: 1 });
    expect(await session.touched(null, 10)).toEqual([]);
  });

  it('is forgotten as one once it is in', async () => {
    await fail(entry('a'));
    await load('a');
    expect(await plane.values('SELECT path FROM sluice.failed_file')).toEqual([]);
  });

  it('holds nothing back of another ingestion', async () => {
    await fail(entry('a'));
    const other = await plane.session();
    expect(await other.stage(listing(entry('a')), NOTHING_RETRIED)).toMatchObject({ fresh: 1, held: 0 });
  });
});
