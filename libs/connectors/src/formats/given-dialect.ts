import type { CsvDialect, Encoding } from './format-reader';

/** `format.options` in the wire's words; all for text formats, and all but `encoding` for CSV alone. What is left out is found out. */
export interface FormatOptions {
  delimiter?: string;
  /** Empty: values are never quoted. */
  quote?: string;
  escape?: string;
  header?: boolean;
  /** Lines before the header. */
  skip_lines?: number;
  encoding?: Encoding;
  null_values?: string[];
  decimal?: '.' | ',';
  date_format?: string;
  timestamp_format?: string;
}

const NAMES = {
  delimiter: 'delimiter',
  quote: 'quote',
  escape: 'escape',
  header: 'header',
  skip_lines: 'skip',
  encoding: 'encoding',
  null_values: 'nulls',
  decimal: 'decimal',
  date_format: 'dateFormat',
  timestamp_format: 'timestampFormat',
} as const satisfies Record<keyof FormatOptions, keyof CsvDialect>;

/** What a person says of the dialect, in the readers' words. */
export function givenDialect(options: FormatOptions): Partial<CsvDialect> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [NAMES[name as keyof FormatOptions], value]));
}
