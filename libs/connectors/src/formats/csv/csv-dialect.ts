import type { CsvDialect, FileInput } from '../format-reader';
import { detectEncoding } from '../text';

/** What is said goes before what is known. A quote of one's own escapes itself unless something else is said. */
export function complete(given: Partial<CsvDialect>, known: Partial<CsvDialect>): CsvDialect {
  const quote = given.quote ?? known.quote ?? '"';
  return {
    delimiter: ',',
    header: true,
    skip: 0,
    encoding: 'utf-8',
    nulls: [],
    decimal: '.',
    dateFormat: null,
    timestampFormat: null,
    ...known,
    ...given,
    quote,
    escape: given.escape ?? (given.quote === undefined ? known.escape : undefined) ?? quote,
  };
}

/** Files written alike may still be saved in different encodings: unless it is given, each file's own byte order mark decides. */
export async function ofThisFile(
  dialect: CsvDialect,
  file: FileInput,
  given: Partial<CsvDialect>,
): Promise<CsvDialect> {
  return { ...dialect, encoding: given.encoding ?? (await detectEncoding(file)) };
}
