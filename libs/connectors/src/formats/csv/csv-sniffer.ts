import { z } from 'zod';
import { type DuckDb, literal, pathLiteral } from '../../duckdb';
import { BadFile } from '../../errors';
import { NumberShape, readNumber } from '../../copy/number-text';
import { type Moment, readMoment } from '../../copy/moment';
import { asBadFile, expand } from '../bytes';
import type { CsvDialect, FileInput } from '../format-reader';

const NONE = '(empty)';
const HEAD_BYTES = 64 * 1024;
const LONG_LINE = 32 * 1024;
const CANDIDATES = [',', ';', '\t', '|'] as const;
const BY_ENDING: Record<string, string> = { tsv: '\t', psv: '|' };
/**
 * What DuckDB may not guess: lines to skip and comments (it would drop rows without a word) and a quote other than `"` (it would take the
 * apostrophes off values). Broken rows must not talk it into another delimiter; bytes that are no UTF-8 are told by the load, with their line.
 */
const CAREFUL = `skip=0, comment='', ignore_errors=true, encoding='latin-1', max_line_size=8000000`;

const finding = z.object({ Delimiter: z.string(), Escape: z.string(), HasHeader: z.boolean() });
type Finding = z.infer<typeof finding>;

/** The dialect told by the first of the files which has more than one line, else by the first with any; `null`: all are empty. */
export async function sniffAny(
  duckDb: DuckDb,
  files: readonly FileInput[],
  given: Partial<CsvDialect>,
): Promise<CsvDialect | null> {
  let best: { file: FileInput; lines: string[] } | null = null;
  for (const file of files) {
    const lines = await firstLines(file).catch(passOver);
    if (lines.length > (best?.lines.length ?? 0)) best = { file, lines };
    if (lines.length > 1) break;
  }
  return best === null ? null : sniffFrom(duckDb, best.file, best.lines, given);
}

/** Finds out how one CSV is written; what is given is not asked. */
export async function sniff(duckDb: DuckDb, file: FileInput, given: Partial<CsvDialect>): Promise<CsvDialect> {
  return sniffFrom(duckDb, file, await firstLines(file), given);
}

/**
 * DuckDB's finding counts only if its delimiter stands in the first line. A file that it cannot make out has no such line, and then taking
 * it for one column of text would load nonsense silently; with the likeliest delimiter the load fails and says where.
 */
async function sniffFrom(
  duckDb: DuckDb,
  file: FileInput,
  lines: readonly string[],
  given: Partial<CsvDialect>,
): Promise<CsvDialect> {
  if (given.delimiter !== undefined && given.header !== undefined) return complete(given, {});
  const first = lines[0] ?? '';
  const found = await ask(duckDb, file, given, lines);
  if (found !== null && first.includes(found.Delimiter)) return complete(given, ofFinding(found, lines));
  const delimiter = given.delimiter ?? likeliest(first, file.path);
  const header = found !== null && found.Delimiter === delimiter ? found.HasHeader : looksLikeHeader(first, delimiter);
  return complete(given, { delimiter, header });
}

function ofFinding({ Delimiter, Escape, HasHeader }: Finding, lines: readonly string[]): Partial<CsvDialect> {
  return {
    delimiter: Delimiter,
    ...(Escape === NONE ? {} : { escape: Escape }),
    header: HasHeader && !beginsWithData(lines, Delimiter),
  };
}

/** Very long lines are not shown to DuckDB: it would need seconds and then give up. */
async function ask(
  duckDb: DuckDb,
  file: FileInput,
  given: Partial<CsvDialect>,
  lines: readonly string[],
): Promise<Finding | null> {
  if (lines.some((line) => line.length > LONG_LINE)) return null;
  return (await askOnce(duckDb, file, given, '')) ?? askOnce(duckDb, file, given, ', strict_mode=false');
}

async function askOnce(
  duckDb: DuckDb,
  file: FileInput,
  given: Partial<CsvDialect>,
  more: string,
): Promise<Finding | null> {
  const options = [
    pathLiteral(await file.localPath()),
    `compression=${literal(file.compression)}`,
    `quote=${literal(given.quote ?? '"')}`,
    ...(given.delimiter === undefined ? [] : [`delim=${literal(given.delimiter)}`]),
    ...(given.escape === undefined ? [] : [`escape=${literal(given.escape)}`]),
    ...(given.header === undefined ? [] : [`header=${String(given.header)}`]),
  ];
  const connection = await duckDb.connect();
  const question = `FROM sniff_csv(${options.join(', ')}, ${CAREFUL}${more})`;
  // That DuckDB can make nothing of a file is no failure yet.
  const answer = await connection.runAndReadAll(question).catch(() => null);
  return answer === null ? null : finding.parse(answer.getRowObjectsJson()[0]);
}

/** The lines with something in them at the beginning of a file. */
async function firstLines(file: FileInput): Promise<string[]> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of expand(file) as AsyncIterable<Buffer>) {
      pieces.push(piece);
      if ((bytes += piece.length) >= HEAD_BYTES) break;
    }
  } catch (error) {
    throw asBadFile(error, file);
  }
  const head = Buffer.concat(pieces).subarray(0, HEAD_BYTES).toString('latin1');
  return withoutCutLine(head, bytes)
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .split(/[\r\n]+/)
    .filter((line) => line !== '');
}

/** A line that the end of the head cuts says nothing, unless it is the only one. */
function withoutCutLine(head: string, bytes: number): string {
  const end = Math.max(head.lastIndexOf('\n'), head.lastIndexOf('\r'));
  return bytes > HEAD_BYTES && end !== -1 && head.length - end < LONG_LINE ? head.slice(0, end) : head;
}

/** What is wrong with a file is told by its load. */
function passOver(error: unknown): string[] {
  if (error instanceof BadFile) return [];
  throw error;
}

function likeliest(line: string, path: string): string {
  const ending = /\.([^./]+)$/.exec(path.replace(/\.gz$/i, ''))?.[1]?.toLowerCase() ?? '';
  const counts = CANDIDATES.map((character) => line.split(character).length);
  const most = Math.max(...counts);
  return BY_ENDING[ending] ?? (most === 1 ? ',' : (CANDIDATES[counts.indexOf(most)] ?? ','));
}

/** A line with a number or a date in it is no header. */
function looksLikeHeader(line: string, delimiter: string): boolean {
  return !line.split(delimiter).some((value) => kindOf(value.replace(/^"(.*)"$/, '$1')) !== null);
}

/**
 * DuckDB takes `1,2.5` above `4,5` for a header, since 5 is no decimal: the row would be lost. Where a column begins with a number (or a
 * date) and goes on with numbers (dates), the first line is data.
 */
function beginsWithData(lines: readonly string[], delimiter: string): boolean {
  const [first = [], ...rest] = lines.map((line) => line.split(delimiter));
  const even = rest.filter((row) => row.length === first.length && !row.some((value) => value.includes('"')));
  return first.some((value, column) => {
    const below = even.map((row) => row[column] ?? '').filter((it) => it !== '');
    return kindOf(value) !== null && below.length > 0 && below.every((it) => kindOf(it) === kindOf(value));
  });
}

const moment: Moment = { days: 0, seconds: 0, micros: 0, zoned: false, hasTime: false };

function kindOf(value: string): 'number' | 'moment' | null {
  const bytes = Buffer.from(value, 'latin1');
  if (readNumber(bytes, 0, bytes.length) !== NumberShape.None) return 'number';
  return readMoment(bytes, 0, bytes.length, moment) ? 'moment' : null;
}

/** What is said goes before what is known. A quote of one's own escapes itself unless something else is said. */
export function complete(given: Partial<CsvDialect>, known: Partial<CsvDialect>): CsvDialect {
  const quote = given.quote ?? known.quote ?? '"';
  return {
    delimiter: given.delimiter ?? known.delimiter ?? ',',
    quote,
    escape: given.escape ?? (given.quote === undefined ? known.escape : undefined) ?? quote,
    header: given.header ?? known.header ?? true,
    skip: given.skip ?? known.skip ?? 0,
  };
}
