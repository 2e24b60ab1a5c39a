-- Made from the catalog by tools/generate-schema.mjs; do not edit.

CREATE TABLE sluice_control.event (
  id uuid NOT NULL,
  kind text NOT NULL,
  ingestion_id uuid,
  message text NOT NULL,
  facts jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  delivered_at timestamp(3) with time zone,
  last_error text,
  CONSTRAINT event_pkey PRIMARY KEY (id)
);
CREATE INDEX event_due ON sluice_control.event USING btree (next_attempt_at) WHERE (delivered_at IS NULL);
CREATE INDEX event_newest ON sluice_control.event USING btree (created_at DESC, id DESC);

CREATE TABLE sluice_control.idempotency_key (
  operation text NOT NULL,
  key text NOT NULL,
  digest text NOT NULL,
  holder uuid,
  held_until timestamp(3) with time zone,
  resource_id uuid NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  expires_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT idempotency_key_pkey PRIMARY KEY (operation, key),
  CONSTRAINT idempotency_key_hold_is_whole CHECK ((num_nulls(holder, held_until) = ANY (ARRAY[0, 2])))
);
CREATE INDEX idempotency_key_expired ON sluice_control.idempotency_key USING btree (expires_at);

CREATE TABLE sluice_control.ingestion (
  id uuid NOT NULL,
  name text NOT NULL,
  status text NOT NULL,
  source jsonb NOT NULL,
  format jsonb NOT NULL,
  destination jsonb NOT NULL,
  schedule jsonb,
  on_schema_change text NOT NULL,
  quality jsonb NOT NULL,
  credentials bytea,
  credential_keys text[] NOT NULL DEFAULT '{}'::text[],
  prefect_deployment_id uuid,
  drift_suspected boolean NOT NULL DEFAULT false,
  operation text,
  operation_id uuid,
  operation_expires_at timestamp with time zone,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  updated_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  schema jsonb NOT NULL DEFAULT '{"mode": "infer", "locked": false, "columns": {}, "all_text": false, "drop_removed": false}'::jsonb,
  changed_files text NOT NULL DEFAULT 'skip'::text,
  consecutive_failures integer NOT NULL DEFAULT 0,
  failing_warned boolean NOT NULL DEFAULT false,
  error_reason text,
  fresh_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  stale_since timestamp(3) with time zone,
  missed bigint NOT NULL DEFAULT 0,
  superseded bigint NOT NULL DEFAULT 0,
  overlap_skipped bigint NOT NULL DEFAULT 0,
  ticks_seen_until timestamp(3) with time zone,
  late_calls_until timestamp with time zone,
  CONSTRAINT ingestion_pkey PRIMARY KEY (id),
  CONSTRAINT ingestion_changed_files CHECK ((changed_files = ANY (ARRAY['skip'::text, 'reload'::text, 'fail'::text]))),
  CONSTRAINT ingestion_claim_is_whole CHECK ((num_nulls(operation, operation_id, operation_expires_at) = ANY (ARRAY[0, 3]))),
  CONSTRAINT ingestion_counts CHECK (((consecutive_failures >= 0) AND (missed >= 0) AND (superseded >= 0) AND (overlap_skipped >= 0))),
  CONSTRAINT ingestion_deployment_has_schedule CHECK (((prefect_deployment_id IS NULL) OR (schedule IS NOT NULL))),
  CONSTRAINT ingestion_error_has_reason CHECK (((status <> 'error'::text) OR (error_reason IS NOT NULL))),
  CONSTRAINT ingestion_on_schema_change CHECK ((on_schema_change = ANY (ARRAY['ignore'::text, 'append_new_columns'::text, 'sync_all_columns'::text, 'rescue'::text, 'fail'::text]))),
  CONSTRAINT ingestion_operation CHECK ((operation = ANY (ARRAY['create'::text, 'update'::text, 'pause'::text, 'resume'::text, 'trigger'::text, 'forget'::text, 'repair'::text]))),
  CONSTRAINT ingestion_status CHECK ((status = ANY (ARRAY['provisioning'::text, 'draft'::text, 'active'::text, 'paused'::text, 'error'::text])))
);
CREATE INDEX ingestion_by_table ON sluice_control.ingestion USING btree (((destination ->> 'schema'::text)), ((destination ->> 'table'::text)));
CREATE UNIQUE INDEX ingestion_name ON sluice_control.ingestion USING btree (name);
CREATE INDEX ingestion_newest ON sluice_control.ingestion USING btree (created_at DESC, id DESC);
CREATE INDEX ingestion_newest_by_status ON sluice_control.ingestion USING btree (status, created_at DESC, id DESC);
CREATE INDEX ingestion_to_repair ON sluice_control.ingestion USING btree (id) WHERE (drift_suspected OR (operation IS NOT NULL));
CREATE INDEX ingestion_with_late_calls ON sluice_control.ingestion USING btree (late_calls_until) WHERE (late_calls_until IS NOT NULL);
CREATE INDEX ingestion_with_max_age ON sluice_control.ingestion USING btree (id) WHERE ((quality ->> 'max_age_seconds'::text) IS NOT NULL);

CREATE TABLE sluice_control.installation (
  one boolean NOT NULL DEFAULT true,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  alarm text,
  alarm_since timestamp(3) with time zone,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT installation_pkey PRIMARY KEY (one),
  CONSTRAINT installation_alarm_is_whole CHECK ((num_nulls(alarm, alarm_since) = ANY (ARRAY[0, 2]))),
  CONSTRAINT installation_is_one CHECK (one)
);

CREATE TABLE sluice_control.orphan (
  deployment_id uuid NOT NULL,
  ingestion_id uuid NOT NULL,
  forced boolean NOT NULL DEFAULT false,
  first_seen_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  last_seen_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT orphan_pkey PRIMARY KEY (deployment_id)
);
CREATE INDEX orphan_longest ON sluice_control.orphan USING btree (first_seen_at);

CREATE TABLE sluice_control.processed_file (
  ingestion_id uuid NOT NULL,
  path text COLLATE "C" NOT NULL,
  version text NOT NULL,
  status text NOT NULL,
  rows bigint NOT NULL,
  rejected bigint NOT NULL,
  bytes bigint NOT NULL,
  first_error jsonb,
  load_id bigint,
  run_id uuid NOT NULL,
  first_seen_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  processed_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamp(3) with time zone,
  quarantine_untold boolean NOT NULL DEFAULT false,
  CONSTRAINT processed_file_pkey PRIMARY KEY (ingestion_id, path),
  CONSTRAINT processed_file_attempts CHECK ((attempts >= 0)),
  CONSTRAINT processed_file_counts CHECK (((rows >= 0) AND (rejected >= 0) AND (bytes >= 0))),
  CONSTRAINT processed_file_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES sluice_control.ingestion(id) ON DELETE CASCADE,
  CONSTRAINT processed_file_status CHECK ((status = ANY (ARRAY['loaded'::text, 'failed'::text, 'quarantined'::text, 'changed'::text])))
);
CREATE INDEX processed_file_failed ON sluice_control.processed_file USING btree (ingestion_id, path) WHERE (status = ANY (ARRAY['failed'::text, 'quarantined'::text]));
CREATE INDEX processed_file_untold ON sluice_control.processed_file USING btree (ingestion_id, path) WHERE quarantine_untold;

CREATE TABLE sluice_control.run (
  id uuid NOT NULL,
  ingestion_id uuid NOT NULL,
  flow_run_id uuid,
  trigger text NOT NULL,
  status text NOT NULL,
  executor uuid,
  metrics jsonb NOT NULL,
  errors jsonb NOT NULL DEFAULT '[]'::jsonb,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  started_at timestamp(3) with time zone,
  ended_at timestamp(3) with time zone,
  parameters jsonb NOT NULL DEFAULT '{"from": null, "kind": "load", "until": null, "path_prefix": null}'::jsonb,
  heartbeat_at timestamp(3) with time zone,
  planned_at timestamp(3) with time zone,
  cancel_requested_at timestamp(3) with time zone,
  retry_of uuid,
  place text,
  replaced boolean NOT NULL DEFAULT false,
  CONSTRAINT run_pkey PRIMARY KEY (id),
  CONSTRAINT run_end_is_terminal CHECK (((ended_at IS NOT NULL) = (status <> ALL (ARRAY['queued'::text, 'running'::text])))),
  CONSTRAINT run_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES sluice_control.ingestion(id) ON DELETE CASCADE,
  CONSTRAINT run_kind CHECK (((parameters ->> 'kind'::text) = ANY (ARRAY['load'::text, 'refresh'::text, 'retry'::text]))),
  CONSTRAINT run_place CHECK ((place = ANY (ARRAY['next'::text, 'waiting'::text]))),
  CONSTRAINT run_running_has_executor CHECK (((status <> 'running'::text) OR (num_nulls(executor, started_at) = 0))),
  CONSTRAINT run_status CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'success'::text, 'partial'::text, 'failed'::text, 'cancelled'::text, 'crashed'::text, 'skipped'::text]))),
  CONSTRAINT run_trigger CHECK ((trigger = ANY (ARRAY['scheduled'::text, 'manual'::text, 'retry'::text, 'refresh'::text])))
);
CREATE INDEX run_active ON sluice_control.run USING btree (ingestion_id, created_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE UNIQUE INDEX run_active_of_flow_run ON sluice_control.run USING btree (flow_run_id) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX run_broken_off ON sluice_control.run USING btree (ended_at, id) WHERE (status = ANY (ARRAY['failed'::text, 'cancelled'::text, 'crashed'::text]));
CREATE INDEX run_by_tick ON sluice_control.run USING btree (ingestion_id, planned_at) WHERE (trigger = 'scheduled'::text);
CREATE INDEX run_newest ON sluice_control.run USING btree (ingestion_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX run_next ON sluice_control.run USING btree (ingestion_id) WHERE ((status = 'queued'::text) AND (place = 'next'::text));
CREATE INDEX run_of_flow_run ON sluice_control.run USING btree (flow_run_id, created_at DESC);
CREATE UNIQUE INDEX run_of_tick ON sluice_control.run USING btree (ingestion_id, planned_at) WHERE ((trigger = 'scheduled'::text) AND (status <> 'failed'::text));
CREATE UNIQUE INDEX run_waiting ON sluice_control.run USING btree (ingestion_id) WHERE ((status = 'queued'::text) AND (place = 'waiting'::text));

CREATE TABLE sluice_control.run_total (
  trigger text NOT NULL,
  status text NOT NULL,
  runs bigint NOT NULL,
  rows_ingested bigint NOT NULL,
  rows_rejected bigint NOT NULL,
  bytes_read bigint NOT NULL,
  seconds double precision NOT NULL,
  buckets bigint[] NOT NULL,
  CONSTRAINT run_total_pkey PRIMARY KEY (trigger, status)
);

CREATE TABLE sluice_control.schema_version (
  ingestion_id uuid NOT NULL,
  version integer NOT NULL,
  columns jsonb NOT NULL,
  changes jsonb NOT NULL,
  dialect jsonb,
  file text NOT NULL,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT schema_version_pkey PRIMARY KEY (ingestion_id, version),
  CONSTRAINT schema_version_counts_from_one CHECK ((version >= 1)),
  CONSTRAINT schema_version_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES sluice_control.ingestion(id) ON DELETE CASCADE
);

CREATE TABLE sluice_control.table_drop (
  ingestion_id uuid NOT NULL,
  destination jsonb NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamp with time zone NOT NULL DEFAULT now(),
  last_error text,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT table_drop_pkey PRIMARY KEY (ingestion_id)
);
CREATE INDEX table_drop_by_table ON sluice_control.table_drop USING btree (((destination ->> 'schema'::text)), ((destination ->> 'table'::text)));
CREATE INDEX table_drop_due ON sluice_control.table_drop USING btree (next_attempt_at);

CREATE TABLE sluice_control.tombstone (
  ingestion_id uuid NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamp with time zone NOT NULL DEFAULT now(),
  last_error text,
  created_at timestamp(3) with time zone NOT NULL DEFAULT now(),
  CONSTRAINT tombstone_pkey PRIMARY KEY (ingestion_id)
);
CREATE INDEX tombstone_due ON sluice_control.tombstone USING btree (next_attempt_at);
