import { setTimeout as pause } from 'node:timers/promises';
import type { Drift, DriftReport, Reconciliation } from '@sluice/ingestion';
import { counted } from '@sluice/kernel';
import { EXIT, type ExitCode } from './exit-codes';

/** An orphan is removed when it is seen again so long after it was found; see `DueOrphans`. */
const PASS_EVERY_MS = 3_000;
/** Passes in a row that did nothing and left something to do; an orphan needs several. */
const IDLE_PASSES = 10;

type Print = (line: string) => void;

/** Shows what differs. */
export async function dryRun(reconciliation: Reconciliation, force: boolean, print: Print): Promise<ExitCode> {
  const report = await reconciliation.look(force);
  show(report, print);
  print(report.total === 0 ? AGREE : `${counted(report.total, 'difference')}; nothing was changed.`);
  return EXIT.done;
}

const AGREE = 'The control database and Prefect agree.';

export interface ReconcileOrder {
  force: boolean;
  /** Ends it after the pass it is at. */
  signal: AbortSignal;
}

/** Passes until nothing is left that the reconciler may do, or nothing more succeeds. */
export async function reconcile(
  reconciliation: Reconciliation,
  { force, signal }: ReconcileOrder,
  print: Print,
): Promise<ExitCode> {
  let done = 0;
  for (let idle = 0; ;) {
    const report = await reconciliation.reconcile({ dryRun: false, force });
    for (const sentence of report.done) print(`  ${sentence}`);
    done += report.done.length;
    idle = report.done.length > 0 ? 0 : idle + 1;
    const left = report.drifts.filter(isOurs);
    if (signal.aborted) print('It was stopped; run it again: it goes on where it stopped.');
    if (left.length === 0 || idle > IDLE_PASSES || signal.aborted)
      return conclude(report, { done, left: left.length, force }, print);
    if (report.done.length === 0) await pause(PASS_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function conclude(
  report: DriftReport,
  { done, left, force }: { done: number; left: number; force: boolean },
  print: Print,
): ExitCode {
  show(report, print);
  const isBlocked = !force && report.alarm?.reason === 'many_removals';
  if (done === 0 && report.total === 0) print(AGREE);
  else print(`${counted(done, 'thing')} done, ${counted(report.total, 'difference')} left.`);
  return left > 0 || isBlocked ? EXIT.failed : EXIT.done;
}

/** What a pass may do; the rest is a person's. */
function isOurs({ action }: Drift): boolean {
  return action !== 'none' && action !== 'backfill';
}

function show({ drifts, total, alarm }: DriftReport, print: Print): void {
  if (alarm) print(`ALARM: ${alarm.message}`);
  for (const { kind, action, message, expected, found } of drifts) {
    print(`  ${kind} -> ${action}: ${message}`);
    if (expected && found) print(`      expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  }
  if (total > drifts.length) print(`  and ${total - drifts.length} more`);
}
