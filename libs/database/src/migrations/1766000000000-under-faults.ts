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
  ADD COLUMN retry_of            uuid,
  ADD COLUMN place               text,
  ADD COLUMN replaced            boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT run_place CHECK (place IN ('next', 'waiting'));
CREATE INDEX run_broken_off ON sluice_control.run (ended_at, id) WHERE status IN ('failed', 'cancelled', 'crashed');
-- Of one ingestion one run at most may be about to take the lease, and one may wait behind the active one.
CREATE UNIQUE INDEX run_next ON sluice_control.run (ingestion_id) WHERE status = 'queued' AND place = 'next';
CREATE UNIQUE INDEX run_waiting ON sluice_control.run (ingestion_id) WHERE status = 'queued' AND place = 'waiting';
-- A tick is run once, whoever finds it: Prefect may plan one twice, and the reconciler catches up on those it never planned.
CREATE UNIQUE INDEX run_of_tick ON sluice_control.run (ingestion_id, planned_at)
  WHERE trigger = 'scheduled' AND status <> 'failed';
-- Processes of the older build have no pulse: from here on those that are gone are seen to be silent.
UPDATE sluice_control.run SET heartbeat_at = now() WHERE status = 'running';
`;

/**
 * A client's key for one call. `resource_id`: the id of what it makes, on record before it is made. `holder`: who works on it now; without it what
 * was made is the answer until `expires_at`. The keys of ingestions made before are kept from now on as long as new ones.
 */
const IDEMPOTENCY = `
CREATE TABLE sluice_control.idempotency_key (
  operation   text           NOT NULL,
  key         text           NOT NULL,
  digest      text           NOT NULL,
  holder      uuid,
  held_until  timestamptz(3),
  resource_id uuid           NOT NULL,
  created_at  timestamptz(3) NOT NULL DEFAULT now(),
  expires_at  timestamptz(3) NOT NULL,
  PRIMARY KEY (operation, key),
  CONSTRAINT idempotency_key_hold_is_whole CHECK (num_nulls(holder, held_until) IN (0, 2))
);
CREATE INDEX idempotency_key_expired ON sluice_control.idempotency_key (expires_at);
INSERT INTO sluice_control.idempotency_key (operation, key, digest, resource_id, expires_at)
SELECT 'create', idempotency_key, idempotency_digest, id, now() + interval '24 hours'
FROM sluice_control.ingestion WHERE idempotency_key IS NOT NULL;
ALTER TABLE sluice_control.ingestion DROP COLUMN idempotency_key, DROP COLUMN idempotency_digest;
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

/**
 * Who we are in a Prefect that several installations share: the id stands in the tags of our deployments. Made when it is first needed, never by a
 * migration, so that no two databases have the same. `alarm`: why the reconciler removes nothing from Prefect; null while it may.
 */
const INSTALLATION = `
CREATE TABLE sluice_control.installation (
  one         boolean        PRIMARY KEY DEFAULT true,
  id          uuid           NOT NULL DEFAULT gen_random_uuid(),
  alarm       text,
  alarm_since timestamptz(3),
  created_at  timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT installation_is_one CHECK (one),
  CONSTRAINT installation_alarm_is_whole CHECK (num_nulls(alarm, alarm_since) IN (0, 2))
);
`;

/** Deployments of ours in Prefect that no ingestion goes with, since when, and whether a person said that they may go in spite of the alarm. */
const ORPHAN = `
CREATE TABLE sluice_control.orphan (
  deployment_id uuid           PRIMARY KEY,
  ingestion_id  uuid           NOT NULL,
  forced        boolean        NOT NULL DEFAULT false,
  first_seen_at timestamptz(3) NOT NULL DEFAULT now(),
  last_seen_at  timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX orphan_longest ON sluice_control.orphan (first_seen_at);
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
    for (const sql of [INGESTION, RUN, IDEMPOTENCY, EVENT, INSTALLATION, ORPHAN, RUN_TOTAL]) await runner.query(sql);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
