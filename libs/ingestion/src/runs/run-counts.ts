/** What is counted when a run ends, as parts of the statement that ends it (`ended`: its row): so each run counts once, whoever ends it. */

/** Upper bounds, in seconds, of the classes that durations of runs are counted in; the last takes all. `run_total.buckets` is in this order. */
export const DURATION_BOUNDS: readonly number[] = [1, 5, 15, 60, 300, 900, 3_600, 14_400, Infinity];

/**
 * A run that never was handed to Prefect, or could not be started because Prefect was away, says nothing of its ingestion. Neither do runs that
 * were skipped or cancelled.
 */
const SAYS_NOTHING = `(ended.status NOT IN ('success', 'partial') AND
  (ended.flow_run_id IS NULL OR ended.errors->0->>'error_type' IN ('OrchestrationUnavailable', 'NeverSent')))`;

/** A run that looks at some of the files does not make the whole fresh; one with files that failed leaves some of it old, and so does one that held files back. */
const MAKES_FRESH = `(ended.status = 'success' AND coalesce((ended.metrics->>'files_held')::bigint, 0) = 0
  AND coalesce(ended.parameters->>'from', ended.parameters->>'until', ended.parameters->>'path_prefix') IS NULL)`;

export const COUNT_STREAK = `
  UPDATE sluice_control.ingestion i SET
    consecutive_failures = CASE WHEN ended.status IN ('failed', 'crashed') THEN i.consecutive_failures + 1 ELSE 0 END,
    failing_warned = i.failing_warned AND ended.status IN ('failed', 'crashed'),
    fresh_at = CASE WHEN ${MAKES_FRESH} THEN greatest(i.fresh_at, ended.ended_at) ELSE i.fresh_at END
  FROM ended WHERE i.id = ended.ingestion_id
    AND ended.status IN ('success', 'partial', 'failed', 'crashed') AND NOT ${SAYS_NOTHING}`;

const METRIC = (name: string) => `coalesce(sum((ended.metrics->>'${name}')::numeric), 0)`;
const SECONDS = `extract(epoch FROM ended.ended_at - ended.started_at)::float8`;
const BUCKETS = DURATION_BOUNDS.map((bound) => `count(*) FILTER (WHERE ${SECONDS} <= '${bound}'::float8)`);

export const ADD_TO_TOTALS = `
  INSERT INTO sluice_control.run_total AS known
    (trigger, status, runs, rows_ingested, rows_rejected, bytes_read, seconds, buckets)
  SELECT ended.trigger, ended.status, count(*), ${METRIC('rows_ingested')}, ${METRIC('rows_rejected')}, ${METRIC('bytes_read')},
    coalesce(sum(${SECONDS}), 0), ARRAY[${BUCKETS.join(', ')}]
  FROM ended GROUP BY ended.trigger, ended.status
  ON CONFLICT (trigger, status) DO UPDATE SET
    runs = known.runs + excluded.runs,
    rows_ingested = known.rows_ingested + excluded.rows_ingested,
    rows_rejected = known.rows_rejected + excluded.rows_rejected,
    bytes_read = known.bytes_read + excluded.bytes_read,
    seconds = known.seconds + excluded.seconds,
    buckets = ARRAY(SELECT before + more FROM unnest(known.buckets, excluded.buckets)
      WITH ORDINALITY AS both_of (before, more, place) ORDER BY place)`;
