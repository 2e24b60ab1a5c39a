import { z } from 'zod';
import { type DuckDb, literal, pathLiteral } from '../../duckdb';
import { NumberShape, pointed, pointedText, readNumber } from '../../copy/number-text';
import type { Moment } from '../../copy/moment';
import type { CsvDialect, FileInput } from '../format-reader';
import { type ReadingForms, readingForms } from '../inference';
import { passOver } from '../text-pass';
import { complete } from './csv-dialect';
import { asFile, CANDIDATES, type CsvHead, LONG_LINE, readHead } from './csv-head';
import { type LineValue, splitValues } from './csv-lines';

const NONE = '(empty)';
const BY_ENDING: Record<string, string> = { tsv: '\t', psv: '|' };
/**
 * What DuckDB may not guess: lines to skip and comments (it would drop rows without a word) and a quote other than `"` (it would take the
 * apostrophes off values). Broken rows must not talk it into another delimiter; bytes that are no UTF-8 are told by the load, with their line.
 * DuckDB takes sixteen times the longest line in memory; no line is longer than the head it is shown.
 */
const CAREFUL = `skip=0, comment='', ignore_errors=true, encoding='latin-1', max_line_size=1048576`;

const finding = z.object({ Delimiter: z.string(), Escape: z.string(), HasHeader: z.boolean() });
type Finding = z.infer<typeof finding>;

/** The dialect told by the first of the files which has more than one line, else by the first with any; `null`: all are empty. */
export async function sniffAny(
  duckDb: DuckDb,
  files: readonly FileInput[],
  given: Partial<CsvDialect>,
): Promise<CsvDialect | null> {
  let best: CsvHead | null = null;
  for (const file of files) {
    const head = await readHead(file, given).catch(passOver);
    if (head !== null && head.lines.length > (best?.lines.length ?? 0)) best = head;
    if (best !== null && best.lines.length > 1) break;
  }
  return best === null ? null : sniffHead(duckDb, best, given);
}

/** Finds out how one CSV is written; what is given is not asked. Raises `BadFile`. */
export async function sniff(duckDb: DuckDb, file: FileInput, given: Partial<CsvDialect>): Promise<CsvDialect> {
  return sniffHead(duckDb, await readHead(file, given), given);
}

/**
 * DuckDB's finding counts only if its delimiter stands in the first line. A file that it cannot make out has no such line, and then taking
 * it for one column of text would load nonsense silently; with the likeliest delimiter the load fails and says where.
 */
async function sniffHead(duckDb: DuckDb, head: CsvHead, given: Partial<CsvDialect>): Promise<CsvDialect> {
  const { encoding, lines, path } = head;
  if (given.delimiter !== undefined && given.header !== undefined) return complete(given, { encoding });
  const likely = complete(given, {});
  const forms = readingForms(likely);
  const first = lines[0] ?? '';
  const found = plausible(await ask(duckDb, head, given), first, forms);
  if (found !== null && first.includes(found.Delimiter))
    return complete(given, { encoding, ...ofFinding(found, lines, forms, likely) });
  const delimiter = given.delimiter ?? likeliest(first, path, forms);
  const { header } =
    found !== null && found.Delimiter === delimiter
      ? ofFinding(found, lines, forms, likely)
      : { header: looksLikeHeader(first, delimiter, forms) };
  return complete(given, { encoding, delimiter, header });
}

function ofFinding(
  { Delimiter, Escape, HasHeader }: Finding,
  lines: readonly string[],
  forms: ReadingForms,
  { quote, nulls }: Pick<CsvDialect, 'quote' | 'nulls'>,
): Partial<CsvDialect> & { header: boolean } {
  const rows = lines.map((line) => splitValues(line, quote, Delimiter));
  return {
    delimiter: Delimiter,
    ...(Escape === NONE ? {} : { escape: Escape }),
    header: HasHeader && !beginsWithData(rows, forms, nulls),
  };
}

/** Very long lines are not shown to DuckDB: it would need seconds and then give up. */
async function ask(duckDb: DuckDb, head: CsvHead, given: Partial<CsvDialect>): Promise<Finding | null> {
  if (head.lines.some((line) => line.length > LONG_LINE)) return null;
  return asFile(
    head,
    duckDb.tempDir,
    async (path) => (await askOnce(duckDb, path, given, '')) ?? askOnce(duckDb, path, given, ', strict_mode=false'),
  );
}

async function askOnce(
  duckDb: DuckDb,
  path: string,
  given: Partial<CsvDialect>,
  more: string,
): Promise<Finding | null> {
  const options = [
    pathLiteral(path),
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

/** Where commas are decimal marks, another delimiter is meant if the line has one. */
function plausible(found: Finding | null, line: string, { comma }: ReadingForms): Finding | null {
  const other = comma && CANDIDATES.some((candidate) => candidate !== ',' && line.includes(candidate));
  return other && found?.Delimiter === ',' ? null : found;
}

function likeliest(line: string, path: string, { comma }: ReadingForms): string {
  const ending = /\.([^./]+)$/.exec(path.replace(/\.(gz|zst|bz2)$/i, ''))?.[1]?.toLowerCase() ?? '';
  const counts = CANDIDATES.map((character) => (character === ',' && comma ? 1 : line.split(character).length));
  const most = Math.max(...counts);
  return BY_ENDING[ending] ?? (most === 1 ? ',' : (CANDIDATES[counts.indexOf(most)] ?? ','));
}

/** A line with a number or a date in it is no header. */
function looksLikeHeader(line: string, delimiter: string, forms: ReadingForms): boolean {
  return !line.split(delimiter).some((value) => kindOf(value.replace(/^"(.*)"$/, '$1'), forms) !== null);
}

/**
 * DuckDB takes `1,2.5` above `4,5` for a header, since 5 is no decimal: the row would be lost. Where a column begins with a number (or a
 * date) and goes on with numbers (dates), the first line is data; a quoted one may be the name of a column whose numbers are not.
 */
function beginsWithData(rows: readonly LineValue[][], forms: ReadingForms, nulls: readonly string[]): boolean {
  const [first = [], ...rest] = rows;
  const even = rest.filter((row) => row.length === first.length);
  return first.some(({ text, quoted }, column) => {
    const kind = kindOf(text, forms);
    const below = even.flatMap((row) => row[column] ?? []).filter((it) => it.text !== '' && !nulls.includes(it.text));
    const alike = below.length > 0 && below.every((it) => kindOf(it.text, forms) === kind);
    return kind !== null && alike && (!quoted || below.some((it) => it.quoted));
  });
}

const moment: Moment = { days: 0, seconds: 0, micros: 0, zoned: false, hasTime: false };

function kindOf(value: string, forms: ReadingForms): 'number' | 'moment' | null {
  const bytes = Buffer.from(value, 'latin1');
  if (isNumber(bytes, forms)) return 'number';
  return forms.read(bytes, 0, bytes.length, moment) ? 'moment' : null;
}

function isNumber(bytes: Buffer, { comma }: ReadingForms): boolean {
  if (!comma) return readNumber(bytes, 0, bytes.length) !== NumberShape.None;
  return pointed(bytes, 0, bytes.length) && readNumber(pointedText, 0, bytes.length) !== NumberShape.None;
}
