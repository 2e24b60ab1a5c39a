import type { ControlPlane } from './control-plane';

/** Rows as an older system left them: scheduled, and never with a deployment. */
export async function insertOlderRows(
  plane: Pick<ControlPlane, 'sql'>,
  count: number,
  status = 'draft',
): Promise<void> {
  await plane.sql(
    `INSERT INTO sluice_control.ingestion (id, name, status, source, format, destination, schedule, on_schema_change, quality)
     SELECT gen_random_uuid(), $2 || ' older ' || n, $2, '{"type": "file", "path": "/data/in", "file_pattern": "*", "options": {}}',
       '{"type": "auto", "options": {}}', '{"schema": "public", "table": "trips", "write_mode": "append", "merge_keys": []}',
       '{"frequency": "daily", "time": "06:00", "day_of_week": 0, "day_of_month": 1, "timezone": "UTC", "cron_expression": null,
         "overlap_policy": "skip", "missed_runs": "latest"}', 'append_new_columns',
       '{"on_error": "fail_file", "max_rejected_rows": 0, "min_rows": null, "max_drop_percent": null, "max_age_seconds": null}'
     FROM generate_series(1, $1::integer) AS n`,
    [count, status],
  );
}
