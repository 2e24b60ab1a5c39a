import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { created, endOf, lines, triggered } from '../support/orders';
import { startSystem, type System, until } from '../support/system';
import { describeWithTinyDisk, TinyDisk } from '../support/tiny-disk';
import { allAreIn, begun, bothEnd, nextRunLoads, rowsOf } from '../support/whole-runs';

const TABLESPACE = `tiny_${randomUUID().replaceAll('-', '')}`;

describeWithTinyDisk('a run ends when a disk is full, and the next one loads', () => {
  let [tables, temp]: TinyDisk[] = [];
  let system: System;
  beforeAll(async () => {
    [tables, temp] = [await TinyDisk.make(8), await TinyDisk.make(8)];
    system = await startSystem({ SLUICE_TEMP_DIR: temp.folder, SLUICE_RUN_ATTEMPTS: '5' });
    await system.rows(`CREATE TABLESPACE ${TABLESPACE} LOCATION '${tables.folder}'`);
  }, 180_000);
  afterEach(() => Promise.all([tables?.free(), temp?.free()]));
  afterAll(async () => {
    await system.rows('DROP TABLE IF EXISTS full_destination, full_for_a_while');
    await system.control('ALTER TABLE sluice_control.processed_file SET TABLESPACE pg_default');
    await system.rows(`DROP TABLESPACE ${TABLESPACE}`);
    await system.stop();
    await Promise.all([tables?.close(), temp?.close()]);
  }, 90_000);

  const logOf = async (runId: string) =>
    (await system.api<{ items: { message: string }[] }>('GET', `/runs/${runId}/logs`)).body.items.map(
      ({ message }) => message,
    );

  const order = (table: string, ending = 'csv') => ({
    source: { type: 'file', path: `${system.folder}/${table}`, file_pattern: `*.${ending}` },
    destination: { schema: 'public', table, write_mode: 'append' },
  });

  it("the destination's, all the time", async () => {
    const id = await begun(system, 'full_destination');
    await system.rows(`ALTER TABLE full_destination SET TABLESPACE ${TABLESPACE}`);
    await tables?.fill();
    const end = await bothEnd(system, 'disk of the destination full', await triggered(system, id));
    expect(end).toMatchObject({ status: 'failed', type: 'FAILED' });
    expect(end.errors).toEqual([
      expect.stringMatching(
        /^The disk of the destination is full: could not extend file .+: No space left on device.*\. Make room; then the next attempt may succeed\.$/,
      ),
    ]);
    expect(await rowsOf(system, 'full_destination')).toEqual({ rows: 10, ids: 10 });
    await tables?.free();
    await nextRunLoads(system, id, 'full_destination');
  }, 240_000);

  it("the destination's, for a while: the same run loads", async () => {
    const id = await begun(system, 'full_for_a_while');
    await system.rows(`ALTER TABLE full_for_a_while SET TABLESPACE ${TABLESPACE}`);
    await tables?.fill();
    const run = await triggered(system, id);
    await until('it is tried again', async () =>
      (await logOf(run.run_id)).some((line) => /^The disk of the destination is full.+ Attempt 2 of 5 /.test(line)),
    );
    await tables?.free();
    const end = await bothEnd(system, 'disk of the destination full for a while', run);
    expect(end).toMatchObject({ status: 'success', type: 'COMPLETED', errors: [] });
    await allAreIn(system, 'full_for_a_while');
  }, 240_000);

  it('that of the folder for copies', async () => {
    const path = join(system.folder, 'full_copies.parquet');
    const connection = await (await DuckDBInstance.create()).connect();
    await connection.run(`COPY (SELECT range AS id FROM range(1010)) TO '${path}' (FORMAT parquet)`);
    connection.closeSync();
    await system.write('full_copies/1.parquet.gz', gzipSync(await readFile(path)));
    const { id } = await created(system, { ...order('full_copies', 'parquet.gz'), format: { type: 'parquet' } });
    await temp?.fill();
    const end = await bothEnd(system, 'folder for copies full', await triggered(system, id));
    expect(end).toMatchObject({ status: 'failed', type: 'FAILED' });
    expect(end.errors).toEqual([
      `No copy could be written to ${temp?.folder} (ENOSPC). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
    ]);
    await temp?.free();
    await nextRunLoads(system, id, 'full_copies');
  }, 240_000);

  it('that of the same folder, where a new CSV is looked at', async () => {
    await system.write('full_heads/1.csv', lines(0, 1010));
    const { id } = await created(system, order('full_heads'));
    await temp?.fill();
    const end = await bothEnd(system, 'folder for copies full, a first CSV', await triggered(system, id));
    expect(end).toMatchObject({ status: 'failed', type: 'FAILED' });
    expect(end.errors).toEqual([
      `The head of 1.csv could not be copied to ${temp?.folder} (ENOSPC). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
    ]);
    await temp?.free();
    await nextRunLoads(system, id, 'full_heads');
  }, 240_000);

  it('that of the same folder, where rows that are left out are kept', async () => {
    await system.write('full_rejects/0.csv', lines(0, 10));
    const { id } = await created(system, { ...order('full_rejects'), quality: { on_error: 'skip_rows' } });
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
    await system.write('full_rejects/1.csv', `${lines(1000, 1000)}${'a,row,too,long\n'.repeat(2000)}`);
    await temp?.fill();
    const end = await bothEnd(system, 'folder for rows left out full', await triggered(system, id));
    expect(end).toMatchObject({ status: 'failed', type: 'FAILED' });
    expect(end.errors).toEqual([
      `The rows left out could not be kept in ${temp?.folder} (ENOSPC). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
    ]);
    await temp?.free();
    const run = await endOf(system, (await triggered(system, id)).run_id);
    expect(run).toMatchObject({ status: 'success', metrics: { rows_ingested: 1000, rows_rejected: 2000 } });
    await allAreIn(system, 'full_rejects');
  }, 240_000);

  it('that of the control database, while a run tells what it has loaded', async () => {
    const files = 400;
    const id = await begun(system, 'full_control');
    for (let n = 1; n <= files; n += 1) await system.write(`full_control/${n}.csv`, lines(n * 1000, 10));
    await system.control(`ALTER TABLE sluice_control.processed_file SET TABLESPACE ${TABLESPACE}`);
    await tables?.fill();
    const end = await bothEnd(system, 'disk of the control database full', await triggered(system, id));
    expect(end).toMatchObject({ status: 'failed', type: 'FAILED' });
    expect(end.errors).toEqual([
      expect.stringMatching(
        /^The control database could not be written: could not extend file .+: No space left on device\. Make it usable again; what was committed stays and counts once, and the next run loads the rest\.$/,
      ),
    ]);
    await tables?.free();
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
    expect(await rowsOf(system, 'full_control')).toEqual({ rows: 10 + 10 * files, ids: 10 + 10 * files });
    const [mirrored] = await system.control<{ files: number }>(
      "SELECT count(*)::int AS files FROM sluice_control.processed_file WHERE ingestion_id = $1 AND status = 'loaded'",
      [id],
    );
    expect(mirrored).toEqual({ files: 1 + files });
  }, 300_000);
});
