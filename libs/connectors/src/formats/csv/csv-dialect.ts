import type { CsvDialect } from '../format-reader';

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
