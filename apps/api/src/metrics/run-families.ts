import { DURATION_BOUNDS, type EndedRuns, RUN_STATUSES, type SluiceStatistics } from '@sluice/ingestion';
import { counter, type Family, gauges, type Sample } from './family';

const TRIGGERS = ['scheduled', 'manual', 'retry', 'refresh'] as const;

/** Runs of all ingestions, also of those that were deleted. They end in processes of their own, so the control database counts them. */
export function runFamilies({ endedRuns, activeRuns }: SluiceStatistics): Family[] {
  const summed = (of: (ended: EndedRuns) => number) => [
    { labels: {}, value: endedRuns.reduce((sum, ended) => sum + of(ended), 0) },
  ];
  return [
    counter('sluice_runs_total', 'Runs that have ended.', runs(endedRuns)),
    gauges('sluice_runs_active', 'Runs that have not ended.', 'status', activeRuns),
    durations(endedRuns),
    counter(
      'sluice_rows_ingested_total',
      'Rows that runs have loaded.',
      summed((it) => it.rows_ingested),
    ),
    counter(
      'sluice_rows_rejected_total',
      'Rows that runs have left out.',
      summed((it) => it.rows_rejected),
    ),
    counter(
      'sluice_read_bytes_total',
      'Bytes of source files that runs have read.',
      summed((it) => it.bytes_read),
    ),
  ];
}

/** All pairs from the start: a counter that appears with its first event hides it from rate(). */
function runs(ended: readonly EndedRuns[]): Sample[] {
  const known = new Map(ended.map((it) => [`${it.trigger} ${it.status}`, it.runs]));
  return TRIGGERS.flatMap((trigger) =>
    RUN_STATUSES.filter((status) => status !== 'queued' && status !== 'running').map((status) => ({
      labels: { status, trigger },
      value: known.get(`${trigger} ${status}`) ?? 0,
    })),
  );
}

function durations(ended: readonly EndedRuns[]): Family {
  const name = 'sluice_run_duration_seconds';
  const help = 'From the start of a run to its end; runs that never started are left out.';
  const statuses = [...new Set(ended.map(({ status }) => status))].sort();
  return { name, help, type: 'histogram', values: statuses.flatMap((status) => histogram(name, status, ended)) };
}

function histogram(name: string, status: string, ended: readonly EndedRuns[]): Sample[] {
  const those = ended.filter((it) => it.status === status);
  const counts = DURATION_BOUNDS.map((_, place) => those.reduce((sum, it) => sum + (it.buckets[place] ?? 0), 0));
  const labels = { status };
  return [
    ...counts.map((value, place) => ({ metricName: `${name}_bucket`, labels: { ...labels, le: le(place) }, value })),
    { metricName: `${name}_sum`, labels, value: those.reduce((sum, it) => sum + it.seconds, 0) },
    { metricName: `${name}_count`, labels, value: counts.at(-1) ?? 0 },
  ];
}

function le(place: number): string {
  const bound = DURATION_BOUNDS[place] ?? Infinity;
  return bound === Infinity ? '+Inf' : String(bound);
}
