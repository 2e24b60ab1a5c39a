import { setTimeout as pause } from 'node:timers/promises';
import { CuttableWay } from '../support/cuttable';
import { triggered } from '../support/orders';
import { OwnStack } from '../support/own-stack';
import { describeWithPrefect } from '../support/prefect';
import { processWith } from '../support/processes';
import { type Addresses, type Servers, startSystem, type System, until } from '../support/system';
import {
  begun,
  bothEnd,
  holdLedger,
  nextRunLoads,
  PROMISED_MS,
  rowsOf,
  untilCopied,
  untilPrefectIsBack,
} from '../support/whole-runs';

/** Longer than any single answer is waited for, shorter than a run is given up for. */
const SILENCE_MS = 20_000;
/** What a process that hears of nobody any more may take to end. */
const ALONE_MS = 240_000;
const MANY = 1_000_000;

/** The way of some processes to Prefect, the control database and the destination: silent means that no byte passes and nobody is told. */
class Network {
  private constructor(
    private readonly ways: readonly CuttableWay[],
    readonly addresses: Addresses,
  ) {}

  static async to({ apiUrl, controlUrl, destinationUrl }: Servers): Promise<Network> {
    const [api, control, destination] = [
      await CuttableWay.to(apiUrl),
      await CuttableWay.to(controlUrl),
      await CuttableWay.to(destinationUrl),
    ];
    const addresses = { apiUrl: api.url, controlUrl: control.url, destinationUrl: destination.url };
    return new Network([api.way, control.way, destination.way], addresses);
  }

  silence(): void {
    for (const way of this.ways) way.silence();
  }

  /** The servers close what has not answered their TCP keepalive; whoever leads the reconciler asks them to do so within 15 s. */
  forget(): void {
    for (const way of this.ways) way.forget();
  }

  /** Connections made from now on pass; those of before stay silent. */
  mend(): void {
    for (const way of this.ways) way.mend();
  }

  async close(): Promise<void> {
    await Promise.all(this.ways.map((way) => way.close()));
  }
}

describeWithPrefect('a run ends when the network is gone', () => {
  let stack: OwnStack;
  let [ofApi, ofWorker]: Network[] = [];
  let system: System;
  beforeAll(async () => {
    stack = await OwnStack.start();
    [ofApi, ofWorker] = [await Network.to(stack.servers), await Network.to(stack.servers)];
    const ways = { api: ofApi.addresses, worker: ofWorker.addresses };
    system = await startSystem({}, 8, stack.servers, ways);
  }, 240_000);
  afterAll(async () => {
    await system.stop();
    await Promise.all([ofApi?.close(), ofWorker?.close()]);
    await stack.stop();
  }, 90_000);

  it('for the process and its worker, for a while', async () => {
    const id = await begun(system, 'cut_off');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    ofWorker?.silence();
    await release();
    setTimeout(() => ofWorker?.mend(), SILENCE_MS);
    const end = await bothEnd(system, `worker and process cut off for ${SILENCE_MS / 1000} s`, run);
    expect([end.status, end.type]).toEqual(['success', 'COMPLETED']);
    await system.newWorker();
    await nextRunLoads(system, id, 'cut_off');
  }, 240_000);

  it('for all of Sluice, for a while, in the middle of a COPY', async () => {
    const id = await begun(system, 'all_cut_off', MANY);
    const run = await triggered(system, id);
    await until('rows are copied', async () => {
      const sql =
        "SELECT FROM pg_stat_progress_copy WHERE relid = 'all_cut_off'::regclass AND tuples_processed > 10000";
      return (await system.rows(sql)).length > 0;
    });
    for (const network of [ofApi, ofWorker]) network?.silence();
    await pause(SILENCE_MS);
    expect(await rowsOf(system, 'all_cut_off')).toEqual({ rows: 10, ids: 10 });
    ofApi?.forget();
    for (const network of [ofApi, ofWorker]) network?.mend();
    const end = await bothEnd(system, `all of Sluice cut off for ${SILENCE_MS / 1000} s, since it is back`, run);
    expect([end.status, end.type]).toEqual(['success', 'COMPLETED']);
    await untilPrefectIsBack(system);
    await system.newWorker();
    await nextRunLoads(system, id, 'all_cut_off', MANY);
  }, 300_000);

  it('for the process and its worker, for ever: another worker loads, and the process ends too', async () => {
    const id = await begun(system, 'left_behind');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    const cut = Date.now();
    ofWorker?.silence();
    await release();
    const end = await bothEnd(system, 'worker and process cut off for ever', run, PROMISED_MS);
    expect([end.status, end.type]).toEqual(['crashed', 'CRASHED']);
    expect(end.errors).toEqual([
      expect.stringMatching(
        /^Its process has not been heard of since \S+Z\. What it has committed stays and counts once; the next run loads the rest\.$/,
      ),
    ]);
    expect(await rowsOf(system, 'left_behind')).toEqual({ rows: 10, ids: 10 });
    const isAlone = () => processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner') !== null;
    await until('the process that was cut off has ended', () => Promise.resolve(!isAlone()), ALONE_MS);
    process.stdout.write(
      `the process cut off for ever ended ${((Date.now() - cut) / 1000).toFixed(0)} s after the cut\n`,
    );
    await system.newWorker(stack.servers);
    await nextRunLoads(system, id, 'left_behind');
  }, 480_000);
});
