import type { FormatInput } from '../inputs';
import { FORMAT_TYPES, type FormatOptions, type FormatSpec } from '../types';
import { oneOf, onlyKnown, refuse } from './refuse';

const OPTIONS = ['delimiter', 'quote', 'escape', 'header'] as const satisfies readonly (keyof FormatOptions)[];

/** A format with all its defaults. Options describe CSV: they go with `csv`, and with `auto` for the CSV files it finds. */
export function formatSpec(input: FormatInput = {}): FormatSpec {
  onlyKnown('format', input, ['type', 'options']);
  const type = oneOf('format.type', input.type, FORMAT_TYPES, 'auto');
  const given = withoutGaps(input.options);
  onlyKnown('format.options', given, type === 'csv' || type === 'auto' ? OPTIONS : []);
  return { type, options: checked(given) };
}

function withoutGaps(options: FormatInput['options']): FormatOptions {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));
}

function checked(options: FormatOptions): FormatOptions {
  for (const key of ['delimiter', 'quote', 'escape'] as const) {
    if (options[key] !== undefined) oneCharacter(`format.options.${key}`, options[key]);
  }
  if (options.header !== undefined && typeof options.header !== 'boolean') {
    refuse('format.options.header', options.header, 'is neither true nor false', 'Leave it out to have it found out.');
  }
  if (options.delimiter !== undefined && options.delimiter === options.quote) {
    refuse('format.options.quote', options.quote, 'is the delimiter too', 'Choose two different characters.');
  }
  return options;
}

function oneCharacter(path: string, value: string): void {
  if (typeof value === 'string' && value.length === 1 && !/[\0\r\n]/.test(value)) return;
  refuse(
    path,
    value,
    'is not one character',
    'Give one character other than a line break; leave it out to have it found out.',
  );
}
