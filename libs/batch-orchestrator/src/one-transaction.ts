import type { RunRequest } from './run';

/** The table is built anew beside the old one. */
export function rebuilds({ parameters, order }: Pick<RunRequest, 'parameters' | 'order'>): boolean {
  return parameters.kind === 'refresh' || order.destination.write_mode === 'overwrite';
}

/** Rules about a run as a whole, and tables that are built anew, want one transaction for all of it. */
export function isOneTransaction(request: Pick<RunRequest, 'parameters' | 'order'>): boolean {
  const { quality, on_schema_change } = request.order;
  const { min_rows, max_drop_percent, on_error } = quality;
  const whole = min_rows !== null || max_drop_percent !== null || on_error === 'abort_run';
  return whole || on_schema_change === 'fail' || rebuilds(request);
}
