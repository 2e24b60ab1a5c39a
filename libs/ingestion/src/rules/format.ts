import { ENCODINGS } from '@sluice/connectors';
import type { FormatInput } from '../inputs';
import { FORMAT_TYPES, type FormatOptions, type FormatSpec } from '../types';
import { dateFormat, timestampFormat } from './moment-format';
import { flag, oneOf, onlyKnown, refuse, wholeNumber } from './refuse';

const MAX_SKIPPED = 1_000_000;
const MAX_NULLS = 100;
const MAX_NULL_LENGTH = 1_000;

type Name = keyof FormatOptions;
type Given = Required<FormatOptions>;

const CHECKS: { [Key in Name]: (value: Given[Key], path: string) => unknown } = {
  delimiter: (value, path) => oneCharacter(path, value),
  quote: (value, path) => value === '' || oneCharacter(path, value),
  escape: (value, path) => oneCharacter(path, value),
  header: (value, path) => flag(path, value, 'Leave it out to have it found out.'),
  skip_lines: (value, path) => wholeNumber(path, value, { min: 0, max: MAX_SKIPPED, fallback: 0 }),
  encoding: (value, path) => oneOf(path, value, ENCODINGS),
  null_values: (value, path) => nullWords(path, value),
  decimal: (value, path) => oneOf(path, value, ['.', ',']),
  date_format: (value, path) => dateFormat(path, value),
  timestamp_format: (value, path) => timestampFormat(path, value),
};

const ALL = Object.keys(CHECKS) as Name[];
/** Which options each format has. `auto` takes all: they hold for the text files it finds. */
const OPTIONS_OF: Record<FormatSpec['type'], readonly Name[]> = {
  auto: ALL,
  csv: ALL,
  json: ['encoding'],
  ndjson: ['encoding'],
  parquet: [],
  avro: [],
};

/** A format with all its defaults. Options describe text: what is left out is found out from the files. */
export function formatSpec(input: FormatInput = {}): FormatSpec {
  onlyKnown('format', input, ['type', 'options']);
  const type = oneOf('format.type', input.type, FORMAT_TYPES, 'auto');
  const options = withoutGaps(input.options);
  onlyKnown('format.options', options, OPTIONS_OF[type]);
  for (const [name, value] of Object.entries(options)) CHECKS[name as Name](value as never, `format.options.${name}`);
  assertApart(options);
  return { type, options };
}

function withoutGaps(options: FormatInput['options']): FormatOptions {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
}

/** One character cannot mean two things; nor can there be an escape where nothing is quoted. */
function assertApart({ delimiter, quote, escape }: FormatOptions): void {
  if (delimiter !== undefined && delimiter === quote) {
    refuse('format.options.quote', quote, 'is the delimiter too', 'Choose two different characters.');
  }
  if (delimiter !== undefined && delimiter === escape) {
    refuse('format.options.escape', escape, 'is the delimiter too', 'Choose two different characters.');
  }
  if (quote === '' && escape !== undefined) {
    refuse('format.options.escape', escape, 'does not go with an empty quote', 'Leave it out: nothing is quoted.');
  }
}

/** ASCII, since the bytes of a file are split before they are decoded. */
function oneCharacter(path: string, value: string): void {
  if (typeof value === 'string' && /^[\x01-\x7f]$/.test(value) && !/[\r\n]/.test(value)) return;
  refuse(
    path,
    value,
    'is not one ASCII character',
    'Give one character other than a line break; leave it out to have it found out.',
  );
}

function nullWords(path: string, words: string[]): void {
  if (!Array.isArray(words)) refuse(path, words, 'is no list', 'Give words such as ["NULL", "n/a"].');
  if (words.length > MAX_NULLS) refuse(path, words, `has ${words.length} words`, `At most ${MAX_NULLS}.`);
  for (const word of words) {
    const usable = typeof word === 'string' && word.length <= MAX_NULL_LENGTH && !/[\0\r\n]/.test(word);
    if (!usable) {
      refuse(path, word, 'is no word for NULL', `Give texts of one line, at most ${MAX_NULL_LENGTH} characters.`);
    }
  }
}
