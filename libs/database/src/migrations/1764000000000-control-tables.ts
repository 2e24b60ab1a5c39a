import type { MigrationInterface, QueryRunner } from 'typeorm';

const INGESTION = `
CREATE TABLE sluice_control.ingestion (
  id                    uuid           PRIMARY KEY,
  name                  text           NOT NULL,
  status                text           NOT NULL,
  source                jsonb          NOT NULL,
  format                jsonb          NOT NULL,
  destination           jsonb          NOT NULL,
  schedule              jsonb,
  on_schema_change      text           NOT NULL,
  quality               jsonb          NOT NULL,
  credentials           bytea,
  credential_keys       text[]         NOT NULL DEFAULT '{}',
  prefect_deployment_id uuid,
  drift_suspected       boolean        NOT NULL DEFAULT false,
  operation             text,
  operation_id          uuid,
  operation_expires_at  timestamptz,
  idempotency_key       text,
  idempotency_digest    text,
  created_at            timestamptz(3) NOT NULL DEFAULT now(),
  updated_at            timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT ingestion_status CHECK (status IN ('provisioning', 'draft', 'active', 'paused', 'error')),
  CONSTRAINT ingestion_on_schema_change
    CHECK (on_schema_change IN ('ignore', 'append_new_columns', 'sync_all_columns', 'rescue', 'fail')),
  CONSTRAINT ingestion_operation CHECK (operation IN ('create', 'update', 'pause', 'resume', 'trigger', 'repair')),
  CONSTRAINT ingestion_claim_is_whole
    CHECK (num_nulls(operation, operation_id, operation_expires_at) IN (0, 3)),
  CONSTRAINT ingestion_deployment_has_schedule CHECK (prefect_deployment_id IS NULL OR schedule IS NOT NULL),
  CONSTRAINT ingestion_idempotency_is_whole CHECK (num_nulls(idempotency_key, idempotency_digest) IN (0, 2))
);
CREATE UNIQUE INDEX ingestion_name ON sluice_control.ingestion (name);
CREATE UNIQUE INDEX ingestion_idempotency_key ON sluice_control.ingestion (idempotency_key);
CREATE INDEX ingestion_newest ON sluice_control.ingestion (created_at DESC, id DESC);
CREATE INDEX ingestion_newest_by_status ON sluice_control.ingestion (status, created_at DESC, id DESC);
CREATE INDEX ingestion_to_repair ON sluice_control.ingestion (id) WHERE drift_suspected OR operation IS NOT NULL;
`;

const RUN = `
CREATE TABLE sluice_control.run (
  id           uuid           PRIMARY KEY,
  ingestion_id uuid           NOT NULL REFERENCES sluice_control.ingestion ON DELETE CASCADE,
  flow_run_id  uuid,
  trigger      text           NOT NULL,
  status       text           NOT NULL,
  executor     uuid,
  metrics      jsonb          NOT NULL,
  errors       jsonb          NOT NULL DEFAULT '[]',
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  started_at   timestamptz(3),
  ended_at     timestamptz(3),
  CONSTRAINT run_trigger CHECK (trigger IN ('scheduled', 'manual', 'retry', 'refresh')),
  CONSTRAINT run_status
    CHECK (status IN ('queued', 'running', 'success', 'partial', 'failed', 'cancelled', 'crashed', 'skipped')),
  CONSTRAINT run_end_is_terminal CHECK ((ended_at IS NOT NULL) = (status NOT IN ('queued', 'running'))),
  CONSTRAINT run_running_has_executor CHECK (status <> 'running' OR num_nulls(executor, started_at) = 0)
);
CREATE INDEX run_newest ON sluice_control.run (ingestion_id, created_at DESC, id DESC);
CREATE INDEX run_active ON sluice_control.run (ingestion_id, created_at) WHERE status IN ('queued', 'running');
CREATE INDEX run_of_flow_run ON sluice_control.run (flow_run_id, created_at DESC);
CREATE UNIQUE INDEX run_active_of_flow_run ON sluice_control.run (flow_run_id) WHERE status IN ('queued', 'running');
`;

const PROCESSED_FILE = `
CREATE TABLE sluice_control.processed_file (
  ingestion_id  uuid           NOT NULL REFERENCES sluice_control.ingestion ON DELETE CASCADE,
  path          text           COLLATE "C" NOT NULL,
  version       text           NOT NULL,
  status        text           NOT NULL,
  rows          bigint         NOT NULL,
  rejected      bigint         NOT NULL,
  bytes         bigint         NOT NULL,
  first_error   jsonb,
  load_id       bigint,
  run_id        uuid           NOT NULL,
  first_seen_at timestamptz(3) NOT NULL DEFAULT now(),
  processed_at  timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (ingestion_id, path),
  CONSTRAINT processed_file_status CHECK (status IN ('loaded', 'failed', 'changed')),
  CONSTRAINT processed_file_counts CHECK (rows >= 0 AND rejected >= 0 AND bytes >= 0)
);
`;

const SCHEMA_VERSION = `
CREATE TABLE sluice_control.schema_version (
  ingestion_id uuid           NOT NULL REFERENCES sluice_control.ingestion ON DELETE CASCADE,
  version      integer        NOT NULL,
  columns      jsonb          NOT NULL,
  changes      jsonb          NOT NULL,
  dialect      jsonb,
  file         text           NOT NULL,
  created_at   timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (ingestion_id, version),
  CONSTRAINT schema_version_counts_from_one CHECK (version >= 1)
);
`;

/** No foreign key: a tombstone outlives its ingestion. */
const TOMBSTONE = `
CREATE TABLE sluice_control.tombstone (
  ingestion_id    uuid           PRIMARY KEY,
  attempts        integer        NOT NULL DEFAULT 0,
  next_attempt_at timestamptz    NOT NULL DEFAULT now(),
  last_error      text,
  created_at      timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX tombstone_due ON sluice_control.tombstone (next_attempt_at);
`;

export class ControlTables1764000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [INGESTION, RUN, PROCESSED_FILE, SCHEMA_VERSION, TOMBSTONE]) await runner.query(sql);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
