import { escapeIdentifier, escapeLiteral } from 'pg';
import { LOAD_ID } from '../../column';
import type { TableName } from '../destination';

/** Statements built from names; values are always bound. */

export function nameOf({ schema, table }: TableName): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
}

/** `CREATE SCHEMA IF NOT EXISTS` wants the right to create schemas even where there is nothing to create. */
export function createSchemaSql({ schema }: TableName): string {
  const create = `CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(schema)}`;
  const missing = `to_regnamespace(${escapeLiteral(escapeIdentifier(schema))}) IS NULL`;
  return `DO ${escapeLiteral(`BEGIN IF ${missing} THEN EXECUTE ${escapeLiteral(create)}; END IF; END`)}`;
}

/** The columns of a table ($1: its quoted name) as `TableColumn`s; no row when there is no such table. */
export const COLUMNS = `
SELECT attname AS name, format_type(atttypid, NULL) AS type, atttypmod AS modifier FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;

export function createTableSql(table: TableName, columns: readonly { name: string; type: string }[]): string {
  const lines = [...columns.map(({ name, type }) => `${escapeIdentifier(name)} ${type}`), `${LOAD_ID} bigint NOT NULL`];
  return `CREATE TABLE IF NOT EXISTS ${nameOf(table)} (\n  ${lines.join(',\n  ')}\n)`;
}

export function addColumnsSql(table: TableName, columns: readonly { name: string; type: string }[]): string {
  const parts = columns.map(({ name, type }) => `ADD COLUMN IF NOT EXISTS ${escapeIdentifier(name)} ${type}`);
  return `ALTER TABLE ${nameOf(table)} ${parts.join(', ')}`;
}

export function copySql(table: TableName, columns: readonly { name: string }[]): string {
  const names = [...columns.map(({ name }) => escapeIdentifier(name)), LOAD_ID];
  return `COPY ${nameOf(table)} (${names.join(', ')}) FROM STDIN (FORMAT binary)`;
}

/**
 * Sluice's own schema in the destination: what commits together with the rows must lie beside them. Repeatable; run under a lock.
 * `lease.fence` takes part in no index, so that a heartbeat does not conflict with the `FOR KEY SHARE` of a commit.
 */
export const OWN_SCHEMA_SQL = `
CREATE SCHEMA IF NOT EXISTS sluice;
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
`;
