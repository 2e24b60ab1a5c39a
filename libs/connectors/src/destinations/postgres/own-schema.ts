import type { Client } from 'pg';

/** One key for everybody who prepares the schema `sluice`; an arbitrary constant. */
const PREPARE_LOCK = 7_310_442_001;

/**
 * Sluice's own schema in the destination: what commits together with the rows must lie beside them. Made and brought forward step by step; a step
 * that was released is never edited, only followed. Each may meet what it makes: the first installations kept no account of their steps.
 * `lease.fence` takes part in no index, so that a heartbeat does not conflict with the `FOR KEY SHARE` of a commit.
 */
const STEPS: readonly string[] = [
  `
CREATE SEQUENCE IF NOT EXISTS sluice.load_id;
CREATE TABLE IF NOT EXISTS sluice.lease (
  ingestion uuid PRIMARY KEY,
  fence bigint NOT NULL DEFAULT 0,
  run uuid,
  writer_pid integer,
  writer_started timestamptz,
  heartbeat_pid integer,
  heartbeat_started timestamptz,
  expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE IF NOT EXISTS sluice.ledger (
  load_id bigint PRIMARY KEY,
  ingestion uuid NOT NULL,
  path text NOT NULL,
  version text NOT NULL,
  fingerprint text NOT NULL,
  rows bigint NOT NULL,
  rejected bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL,
  run uuid NOT NULL,
  fence bigint NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (ingestion, path)
);
CREATE INDEX IF NOT EXISTS ledger_by_ingestion ON sluice.ledger (ingestion, load_id);
COMMENT ON TABLE sluice.ledger IS 'Which file version is in, committed together with its rows. A row''s _load_id is the load_id here.';
COMMENT ON TABLE sluice.lease IS 'Who may write for an ingestion now, and the growing number that proves it inside the transaction.';
`,
  // Paths are compared by their bytes everywhere; with another collation the listing could not use the ledger's index.
  `
ALTER TABLE sluice.ledger ALTER COLUMN path TYPE text COLLATE "C";
CREATE TABLE IF NOT EXISTS sluice.rejected_row (
  id bigint GENERATED ALWAYS AS IDENTITY,
  load_id bigint NOT NULL,
  ingestion uuid NOT NULL,
  path text COLLATE "C" NOT NULL,
  record bigint NOT NULL,
  line bigint,
  column_name text,
  error_type text NOT NULL,
  reason text NOT NULL,
  raw text NOT NULL,
  run uuid NOT NULL,
  PRIMARY KEY (load_id, id)
);
CREATE INDEX IF NOT EXISTS rejected_row_by_ingestion ON sluice.rejected_row (ingestion, id);
COMMENT ON TABLE sluice.rejected_row IS 'Rows left out of a file that is in; load_id is that of the file in the ledger.';
CREATE TABLE IF NOT EXISTS sluice.failed_file (
  ingestion uuid NOT NULL,
  path text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  settings text NOT NULL,
  attempts integer NOT NULL,
  next_attempt_at timestamptz,
  message text NOT NULL,
  run uuid NOT NULL,
  failed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (ingestion, path)
);
COMMENT ON TABLE sluice.failed_file IS 'Files that could not be loaded. Without next_attempt_at: quarantined until they change, or the settings do, or by hand.';
CREATE TABLE IF NOT EXISTS sluice.own_table (
  relation oid PRIMARY KEY,
  row_type oid NOT NULL,
  schema_name text NOT NULL,
  table_name text NOT NULL,
  UNIQUE (schema_name, table_name)
);
COMMENT ON TABLE sluice.own_table IS 'Tables Sluice made. All of a row must fit: numbers are used again after a drop or in a restored database.';
`,
  `
ALTER TABLE sluice.rejected_row ADD COLUMN IF NOT EXISTS member text;
COMMENT ON COLUMN sluice.rejected_row.member IS 'Where path is a zip archive: the file within it, which line and record are of.';
`,
];

const CREATE_ACCOUNT = `
DO $$ BEGIN IF to_regnamespace('sluice') IS NULL THEN CREATE SCHEMA sluice; END IF; END $$;
CREATE TABLE IF NOT EXISTS sluice.schema_step (step integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now())`;

/** Makes the schema, or brings it forward to what this program needs. A schema that is further already is left as it is. */
export async function prepare(client: Client): Promise<void> {
  if ((await stepsDone(client)) >= STEPS.length) return;
  // Whoever is frozen in here would keep all others out: there is no lease yet to take over.
  await client.query("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'");
  try {
    await client.query(`SELECT pg_advisory_xact_lock(${PREPARE_LOCK})`);
    await client.query(CREATE_ACCOUNT);
    for (let step = await stepsDone(client); step < STEPS.length; step++) {
      await client.query(STEPS[step] as string);
      await client.query('INSERT INTO sluice.schema_step (step) VALUES ($1)', [step + 1]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Whether a run was ever here. */
export async function isPrepared(client: Client): Promise<boolean> {
  const statement = "SELECT to_regclass('sluice.lease') IS NOT NULL AS prepared";
  return (await client.query<{ prepared: boolean }>(statement)).rows[0]?.prepared === true;
}

async function stepsDone(client: Client): Promise<number> {
  const { rowCount } = await client.query("SELECT WHERE to_regclass('sluice.schema_step') IS NOT NULL");
  if (rowCount === 0) return 0;
  const statement = 'SELECT coalesce(max(step), 0) AS step FROM sluice.schema_step';
  return (await client.query<{ step: number }>(statement)).rows[0]?.step ?? 0;
}
