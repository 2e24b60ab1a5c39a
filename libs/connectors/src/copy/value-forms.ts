import { type ReadMoment, readMoment } from './moment';
import { dateFormat, timestampFormat } from './moment-format';
import { pointed, pointedText } from './number-text';
import type { TextEncoder } from './text-values';

/** How the values of a text file are written (see `CsvDialect`). */
export interface ValueForms {
  decimal: '.' | ',';
  dateFormat: string | null;
  timestampFormat: string | null;
}

/** Points and ISO 8601: JSON, and CSV unless somebody says otherwise. */
export const PLAIN_FORMS: ValueForms = { decimal: '.', dateFormat: null, timestampFormat: null };

/**
 * What reads a date or time written in these forms. Where a format is given, ISO 8601 is not taken beside it: `2024-01-02` could be either.
 * Formats have no zone, so moments with one are ISO 8601 in any case. Raises `BadFile` for a format that cannot be one.
 */
export function momentReader(forms: ValueForms): ReadMoment {
  if (forms.dateFormat === null && forms.timestampFormat === null) return readMoment;
  const date = forms.dateFormat === null ? null : dateFormat(forms.dateFormat);
  const timestamp = forms.timestampFormat === null ? null : timestampFormat(forms.timestampFormat);
  return (text, start, end, into) => {
    if (date?.(text, start, end, into) === true || timestamp?.(text, start, end, into) === true) return true;
    if (!readMoment(text, start, end, into)) return false;
    return into.zoned || (into.hasTime ? timestamp : date) === null;
  };
}

/** Takes numbers with a decimal comma. */
export function withComma(encode: TextEncoder): TextEncoder {
  return (out, text, start, end) => pointed(text, start, end) && encode(out, pointedText, 0, end - start);
}
