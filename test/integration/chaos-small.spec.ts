import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../chaos/child';
import { check, type Subject, type Verdict } from '../chaos/checker';
import type { Control } from '../chaos/control';
import type { Mode } from '../chaos/modes';
import { Random } from '../chaos/random';
import { type SourceFile, SourceFolder } from '../chaos/source-folder';
import { openStage, type Stage } from '../chaos/stage';
import { untilNobody, untilWaiting } from '../chaos/steps';

const APPEND = { write: 'append', reload: false } as const;
const SLOW_MS = 60_000;

/** A run that is killed while it writes the ledger, another that nobody disturbs, and what the checker of `npm run test:chaos` says then. */
async function afterKillAtLedger(control: Control | null): Promise<{ verdict: Verdict; rows: number }> {
  const stage = await openStage({ batchFiles: 1, control });
  try {
    const folder = join(stage.folder, 'in');
    await mkdir(folder);
    const source = new SourceFolder(folder, APPEND, new Random(1));
    const ingestionId = await stage.insertOrder({ folder, table: 't', mode: APPEND });
    await loaded(stage, ingestionId, source);
    await killedAtLedger(stage, ingestionId, source);
    await runOnce(stage, ingestionId);
    const subject: Subject = { client: stage.destination, table: 't', ingestionId, mode: APPEND, files: source.files };
    return { verdict: await check(subject), rows: [...source.files.values()][1]?.rows ?? 0 };
  } finally {
    await stage.close();
  }
}

/** The first file, so that there is a ledger. */
async function loaded(stage: Stage, ingestionId: string, source: SourceFolder): Promise<void> {
  await source.arrive();
  await runOnce(stage, ingestionId);
}

async function killedAtLedger(stage: Stage, ingestionId: string, source: SourceFolder): Promise<void> {
  await source.arrive();
  await stage.locker.query('BEGIN; LOCK TABLE sluice.ledger IN SHARE MODE');
  const child = new Child(stage.env);
  await child.go(ingestionId);
  expect(await untilWaiting(stage.destination, child)).toBe(true);
  await child.kill();
  await stage.locker.query('ROLLBACK');
  await untilNobody(stage.destination);
}

async function runOnce(stage: Stage, ingestionId: string): Promise<void> {
  const child = new Child(stage.env);
  await child.go(ingestionId);
  expect(await child.end(() => Promise.resolve())).toMatchObject({ kind: 'ended', outcome: { status: 'success' } });
  await untilNobody(stage.destination);
}

describe('the checker of the chaos runs', () => {
  it(
    'finds each row once after a kill at the ledger',
    async () => {
      expect((await afterKillAtLedger(null)).verdict).toEqual({ lost: 0, doubled: 0, faults: [] });
    },
    SLOW_MS,
  );

  it(
    'finds the rows doubled when the ledger is written after the commit',
    async () => {
      const { verdict, rows } = await afterKillAtLedger('ledger-after-commit');
      expect(verdict).toMatchObject({ lost: 0, doubled: rows });
      expect(verdict.faults).toEqual([expect.stringMatching(/^load \d+ has \d+ rows and the ledger says none$/)]);
    },
    SLOW_MS,
  );

  describe('on tables made by hand', () => {
    let stage: Stage;
    beforeEach(async () => {
      stage = await openStage({ batchFiles: 1, control: null });
      await stage.destination.query(
        `CREATE TABLE t (path text, version int, line int, key int, value text, _load_id bigint);
         CREATE SCHEMA sluice; CREATE TABLE sluice.ledger (load_id bigint, ingestion uuid, path text, rows bigint)`,
      );
    });
    afterEach(() => stage.close());

    it('finds rows that are missing, and files the ledger does not have', async () => {
      const { files, subject } = await twoFiles(stage, APPEND);
      const [first, second] = files;
      await insert(stage, first!, 1);
      expect(await check(subject)).toEqual({
        lost: second!.rows,
        doubled: 0,
        faults: [`the ledger lacks ${second!.path}`],
      });
    });

    it('finds the rows of an older version that were not replaced', async () => {
      const { files, subject } = await twoFiles(stage, { write: 'append', reload: true });
      const [first, second] = files;
      await insert(stage, first!, 1);
      await insert(stage, second!, 2);
      const changed = { ...second!, version: 2 };
      changed.history.set(2, changed.rows);
      const verdict = await check({ ...subject, files: new Map([first!, changed].map((file) => [file.path, file])) });
      expect(verdict).toEqual({ lost: changed.rows, doubled: changed.rows, faults: [] });
    });

    it('finds rows of files that an overwritten table must not hold any more', async () => {
      const { files, subject } = await twoFiles(stage, { write: 'overwrite', reload: false });
      const [first, second] = files;
      await insert(stage, first!, 1);
      await insert(stage, second!, 2);
      expect(await check({ ...subject, files: new Map([[second!.path, second!]]) })).toEqual({
        lost: 0,
        doubled: first!.rows,
        faults: [`the ledger holds ${first!.path}, which is not there`],
      });
    });

    it('finds keys that are there twice, missing, or with a row that is not the last', async () => {
      const { files, subject } = await twoFiles(stage, { write: 'merge', reload: false });
      for (const [index, file] of files.entries()) await insert(stage, file, index + 1);
      await stage.destination.query(
        `DELETE FROM t WHERE ctid NOT IN (SELECT DISTINCT ON (key) ctid FROM t ORDER BY key, path DESC, line DESC)`,
      );
      expect(await check(subject)).toEqual({ lost: 0, doubled: 0, faults: [] });
      const key = files[1]!.firstKey;
      await stage.destination.query(
        `DELETE FROM t WHERE key = ${key}; UPDATE t SET value = 'f-0001.csv/1/1' WHERE key = ${key + 1};
         INSERT INTO t SELECT * FROM t WHERE key = ${key + 2}`,
      );
      expect(await check(subject)).toEqual({ lost: 2, doubled: 1, faults: [] });
    });
  });
});

/** Two files that have arrived, and a table that holds nothing of them yet. */
async function twoFiles(stage: Stage, mode: Mode): Promise<{ files: SourceFile[]; subject: Subject }> {
  const source = new SourceFolder(stage.folder, mode, new Random(1));
  for (let i = 0; i < 2; i++) await source.arrive();
  return {
    files: [...source.files.values()],
    subject: { client: stage.destination, table: 't', ingestionId: INGESTION, mode, files: source.files },
  };
}

/** Rows and ledger of one file, as a load would leave them. */
async function insert(stage: Stage, { path, version, rows, firstKey }: SourceFile, loadId: number): Promise<void> {
  await stage.destination.query(
    `INSERT INTO t SELECT $1::text, $2::int, line, $3::int + (line - 1) / 2, $1 || '/' || $2 || '/' || line, $4 FROM generate_series(1, $5::int) AS line`,
    [path, version, firstKey, loadId, rows],
  );
  await stage.destination.query('INSERT INTO sluice.ledger VALUES ($1, $2, $3, $4)', [loadId, INGESTION, path, rows]);
}

const INGESTION = '00000000-0000-4000-8000-000000000000';
