import type { RunRow } from './run.entity';
import { hasEnded } from './run-moves';
import type { RunCancel } from '../views';

/** `silent_seconds`: since its process was last heard of; null before there is one. */
export type ShownRun = RunRow & { silent_seconds: number | null };

/** Living processes are heard of each 9 s. */
const SILENT_SECONDS = 20;

/** Whether somebody wants it cancelled, and why it has not ended yet. */
export function cancelOf(run: ShownRun): RunCancel | null {
  if (run.cancel_requested_at === null) return null;
  return { requested_at: run.cancel_requested_at, pending_because: hasEnded(run.status) ? null : reasonOf(run) };
}

function reasonOf({ silent_seconds }: ShownRun): string {
  if (silent_seconds === null || silent_seconds < SILENT_SECONDS)
    return 'Its process lives and is rolling back. That takes as long as the destination needs to answer.';
  const seconds = Math.round(silent_seconds);
  return `Its process has not been heard of for ${seconds} s. It is ended without it as soon as that is certain, within about half a minute.`;
}
