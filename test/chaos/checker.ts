import type { Client } from 'pg';
import type { Mode } from './modes';
import { keyOf, type SourceFile, valueOf } from './source-folder';

/** What is wrong with a table, compared with what its files say. */
export interface Verdict {
  /** Rows that should be there and are not (with `merge` also those that an older row stands in place of). */
  lost: number;
  /** Rows that are there once more than they should, or should not be there at all. */
  doubled: number;
  /** Sentences. */
  faults: string[];
}

export interface Subject {
  client: Client;
  /** Quoted where needed. */
  table: string;
  ingestionId: string;
  mode: Mode;
  files: ReadonlyMap<string, SourceFile>;
}

export function isRight({ lost, doubled, faults }: Verdict): boolean {
  return lost === 0 && doubled === 0 && faults.length === 0;
}

/** The table and the ledger against the files, after a run that nobody disturbed. */
export async function check(subject: Subject): Promise<Verdict> {
  const verdict = subject.mode.write === 'merge' ? await checkMerged(subject) : await checkWhole(subject);
  verdict.faults.push(...(await ledgerFaults(subject)), ...(await strangeRows(subject)));
  return verdict;
}

interface Part {
  path: string;
  version: number;
  rows: number;
  lines: number;
  changed: number;
}

const PARTS = (table: string) => `
SELECT path, version::int, count(*)::int AS rows, count(DISTINCT line)::int AS lines,
  count(*) FILTER (WHERE value IS DISTINCT FROM path || '/' || version || '/' || line)::int AS changed
FROM ${table} GROUP BY path, version ORDER BY path, version`;

/** `append`, `overwrite`: each row of each file exactly once, of one version of it. */
async function checkWhole({ client, table, mode, files }: Subject): Promise<Verdict> {
  const { rows: parts } = await client.query<Part>(PARTS(table));
  const verdict: Verdict = { lost: 0, doubled: 0, faults: [] };
  for (const file of files.values()) {
    const found = parts.filter((part) => part.path === file.path && mayBeThere(part, file, mode));
    const wanted = found[0] === undefined ? file.rows : (file.history.get(found[0].version) ?? 0);
    verdict.lost += Math.max(0, wanted - (found[0]?.lines ?? 0));
    verdict.doubled += sum(found, ({ rows }) => rows) - (found[0]?.lines ?? 0);
  }
  const strange = parts.filter((part) => !isExpected(part, files, mode));
  verdict.doubled += sum(strange, ({ rows }) => rows);
  const spoilt = sum(parts, ({ changed }) => changed);
  if (spoilt > 0) verdict.faults.push(`${spoilt} rows have other values than in their files`);
  return verdict;
}

/** Where a changed file is left alone, it depends on the moment which version came in; else it is the last. */
function mayBeThere(part: Part, file: SourceFile, { write, reload }: Mode): boolean {
  return write === 'append' && !reload ? file.history.has(part.version) : part.version === file.version;
}

function isExpected(part: Part, files: ReadonlyMap<string, SourceFile>, mode: Mode): boolean {
  const file = files.get(part.path);
  return file !== undefined && mayBeThere(part, file, mode);
}

/** `merge`: each key once, with the last row by path, then line. */
async function checkMerged({ client, table, files }: Subject): Promise<Verdict> {
  const wanted = lastRows(files);
  const { rows } = await client.query<{ key: string; value: string }>(`SELECT key::text, value FROM ${table}`);
  const seen = new Set<number>();
  const verdict: Verdict = { lost: 0, doubled: 0, faults: [] };
  for (const { key, value } of rows) {
    const number = Number(key);
    if (seen.has(number) || !wanted.has(number)) verdict.doubled++;
    else if (wanted.get(number) !== value) verdict.lost++;
    seen.add(number);
  }
  for (const key of wanted.keys()) if (!seen.has(key)) verdict.lost++;
  return verdict;
}

/** `value` by key. */
function lastRows(files: ReadonlyMap<string, SourceFile>): Map<number, string> {
  const last = new Map<number, string>();
  const inOrder = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const file of inOrder)
    for (let line = 1; line <= file.rows; line++) last.set(keyOf(file, line), valueOf(file.path, file.version, line));
  return last;
}

async function ledgerFaults({ client, ingestionId, files }: Subject): Promise<string[]> {
  const statement = 'SELECT path, rows::int FROM sluice.ledger WHERE ingestion = $1';
  const { rows: entries } = await client.query<{ path: string; rows: number }>(statement, [ingestionId]);
  const there = new Map(entries.map(({ path, rows }) => [path, rows]));
  return [
    ...[...files.keys()].filter((path) => !there.has(path)).map((path) => `the ledger lacks ${path}`),
    ...entries.filter(({ path }) => !files.has(path)).map(({ path }) => `the ledger holds ${path}, which is not there`),
    ...entries
      .filter(({ path, rows }) => ![...(files.get(path)?.history.values() ?? [rows])].includes(rows))
      .map(({ path, rows }) => `the ledger says ${rows} rows of ${path}, which never had so many`),
  ];
}

/** At any moment, not only at the end: rows and ledger agree load by load (with `merge` later rows may have taken the place of earlier ones). */
export async function strangeRows({ client, table, ingestionId, mode }: Subject): Promise<string[]> {
  const { rows: exists } = await client.query<{ oid: string | null }>('SELECT to_regclass($1) AS oid', [table]);
  if (exists[0]?.oid == null) return [];
  const differ = mode.write === 'merge' ? 'l.load_id IS NULL' : 'l.rows IS DISTINCT FROM t.rows';
  const { rows } = await client.query<{ load: string; has: string | null; says: string | null }>(
    `SELECT coalesce(t.load, l.load_id)::text AS load, t.rows::text AS has, l.rows::text AS says
     FROM (SELECT _load_id AS load, count(*) AS rows FROM ${table} GROUP BY 1) t
     FULL JOIN (SELECT load_id, rows FROM sluice.ledger WHERE ingestion = $1) l ON l.load_id = t.load WHERE ${differ}`,
    [ingestionId],
  );
  return rows.map(
    ({ load, has, says }) => `load ${load} has ${has ?? 'no'} rows and the ledger says ${says ?? 'none'}`,
  );
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
