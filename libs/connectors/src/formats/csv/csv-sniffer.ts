import { z } from 'zod';
import { type DuckDb, literal } from '../../duckdb';
import { BadFile } from '../../errors';
import type { CsvDialect, FileInput } from '../format-reader';

const NONE = '(empty)';
const finding = z.object({
  Delimiter: z.string(),
  Quote: z.string(),
  Escape: z.string(),
  SkipRows: z.coerce.number(),
  HasHeader: z.boolean(),
});

/**
 * Finds out how a CSV is written from its first 20,480 rows; what is given is not asked. A sample without quotes says nothing about
 * quotes further down, so the double quote stands in for none.
 */
export async function sniff(duckDb: DuckDb, file: FileInput, given: Partial<CsvDialect>): Promise<CsvDialect> {
  if (given.delimiter !== undefined && given.header !== undefined) return complete(given, {});
  const connection = await duckDb.connect();
  const found = await connection.runAndReadAll(await question(file, given)).catch((error: unknown) => {
    throw new BadFile('malformed', unreadable(file), {}, { cause: error });
  });
  const row = finding.parse(found.getRowObjectsJson()[0]);
  return complete(given, {
    delimiter: row.Delimiter === NONE ? ',' : row.Delimiter,
    quote: row.Quote === NONE ? '"' : row.Quote,
    ...(row.Escape === NONE ? {} : { escape: row.Escape }),
    header: row.HasHeader,
    skip: row.SkipRows,
  });
}

async function question(file: FileInput, given: Partial<CsvDialect>): Promise<string> {
  const options = [
    literal(await file.localPath()),
    `compression=${literal(file.compression)}`,
    ...(given.delimiter === undefined ? [] : [`delim=${literal(given.delimiter)}`]),
    ...(given.quote === undefined ? [] : [`quote=${literal(given.quote)}`]),
    ...(given.escape === undefined ? [] : [`escape=${literal(given.escape)}`]),
    ...(given.header === undefined ? [] : [`header=${String(given.header)}`]),
  ];
  return `FROM sniff_csv(${options.join(', ')})`;
}

function complete(given: Partial<CsvDialect>, found: Partial<CsvDialect>): CsvDialect {
  const quote = given.quote ?? found.quote ?? '"';
  return {
    delimiter: given.delimiter ?? found.delimiter ?? ',',
    quote,
    escape: given.escape ?? (given.quote === undefined ? found.escape : undefined) ?? quote,
    header: given.header ?? found.header ?? true,
    skip: given.skip ?? found.skip ?? 0,
  };
}

function unreadable(file: FileInput): string {
  return `How ${file.path} is written could not be found out. Say it with format.options: delimiter, quote, escape, header.`;
}
