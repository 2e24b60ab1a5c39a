import type { MigrationInterface, QueryRunner } from 'typeorm';

const INGESTION = `
ALTER TABLE sluice_control.ingestion
  ADD COLUMN consecutive_failures integer NOT NULL DEFAULT 0,
  ADD COLUMN failing_warned       boolean NOT NULL DEFAULT false,
  ADD COLUMN error_reason         text,
  ADD COLUMN fresh_at             timestamptz(3) NOT NULL DEFAULT now(),
  ADD COLUMN stale_since          timestamptz(3),
  ADD COLUMN missed               bigint NOT NULL DEFAULT 0,
  ADD COLUMN superseded           bigint NOT NULL DEFAULT 0,
  ADD COLUMN overlap_skipped      bigint NOT NULL DEFAULT 0,
  ADD COLUMN ticks_seen_until     timestamptz(3),
  ADD CONSTRAINT ingestion_counts
    CHECK (consecutive_failures >= 0 AND missed >= 0 AND superseded >= 0 AND overlap_skipped >= 0),
  ADD CONSTRAINT ingestion_error_has_reason CHECK (status <> 'error' OR error_reason IS NOT NULL);
CREATE INDEX ingestion_with_max_age ON sluice_control.ingestion (id) WHERE quality->>'max_age_seconds' IS NOT NULL;
`;

const RUN = `
ALTER TABLE sluice_control.run
  ADD COLUMN heartbeat_at        timestamptz(3),
  ADD COLUMN planned_at          timestamptz(3),
  ADD COLUMN cancel_requested_at timestamptz(3),
  ADD COLUMN retry_of            uuid;
`;

/** A client's key for one call. `holder`: who works on it now; without it the answer (`resource_id`, `answer`) is final until `expires_at`. */
const IDEMPOTENCY = `
CREATE TABLE sluice_control.idempotency_key (
  operation   text           NOT NULL,
  key         text           NOT NULL,
  digest      text           NOT NULL,
  holder      uuid,
  held_until  timestamptz(3),
  resource_id uuid,
  answer      jsonb,
  created_at  timestamptz(3) NOT NULL DEFAULT now(),
  expires_at  timestamptz(3) NOT NULL,
  PRIMARY KEY (operation, key),
  CONSTRAINT idempotency_key_is_held_or_answered CHECK (num_nulls(holder, held_until) IN (0, 2))
);
CREATE INDEX idempotency_key_expired ON sluice_control.idempotency_key (expires_at);
`;

/** What somebody should hear of; no foreign key, since it outlives its ingestion. Delivered by webhook, if one is set. */
const EVENT = `
CREATE TABLE sluice_control.event (
  id              uuid           PRIMARY KEY,
  kind            text           NOT NULL,
  ingestion_id    uuid,
  message         text           NOT NULL,
  facts           jsonb          NOT NULL DEFAULT '{}',
  created_at      timestamptz(3) NOT NULL DEFAULT now(),
  attempts        integer        NOT NULL DEFAULT 0,
  next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
  delivered_at    timestamptz(3),
  last_error      text
);
CREATE INDEX event_due ON sluice_control.event (next_attempt_at) WHERE delivered_at IS NULL;
CREATE INDEX event_newest ON sluice_control.event (created_at DESC, id DESC);
`;

/** What all runs that ever ended add up to, kept as they end: ingestions are deleted with their runs, and a counter must not fall. */
const RUN_TOTAL = `
CREATE TABLE sluice_control.run_total (
  trigger       text             NOT NULL,
  status        text             NOT NULL,
  runs          bigint           NOT NULL,
  rows_ingested bigint           NOT NULL,
  rows_rejected bigint           NOT NULL,
  bytes_read    bigint           NOT NULL,
  seconds       double precision NOT NULL,
  buckets       bigint[]         NOT NULL,
  PRIMARY KEY (trigger, status)
);
`;

export class UnderFaults1766000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [INGESTION, RUN, IDEMPOTENCY, EVENT, RUN_TOTAL]) await runner.query(sql);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
