import { BadFile } from '../../errors';
import { type RowFault, shown } from '../bad-rows';
import type { CsvField } from './csv-field';

/** Sentences on what is wrong with a row of CSV. */

export function unfitValue(field: CsvField, line: number, bytes: Uint8Array, start: number, end: number): RowFault {
  const reason = `Line ${line}, column ${field.name}: "${shown(bytes, start, end)}" cannot be stored as ${field.type} without changing it. Correct the value.`;
  return { type: 'type_mismatch', reason, line, column: field.name };
}

export function missingKey(field: CsvField, line: number): RowFault {
  const reason = `Line ${line}, column ${field.name}: it is a merge key and has no value. Fill it in.`;
  return { type: 'type_mismatch', reason, line, column: field.name };
}

export function tooManyValues(line: number, expected: number): RowFault {
  const reason = `Line ${line} has more than the ${expected} values expected. Quote values that hold the delimiter.`;
  return { type: 'malformed', reason, line, column: null };
}

export function tooFewValues(line: number, found: number, expected: number): RowFault {
  const reason = `Line ${line} has ${found} values where ${expected} are expected. Complete the line.`;
  return { type: 'malformed', reason, line, column: null };
}

export function textAfterQuote(field: CsvField, line: number): RowFault {
  const reason = `Line ${line}, column ${field.name}: text follows a closing quote. Double the quotes inside the value.`;
  return { type: 'malformed', reason, line, column: field.name };
}

export function neverClosed(field: CsvField | undefined, line: number): BadFile {
  const column = field?.name ?? null;
  return new BadFile('malformed', `Line ${line}: a quoted value is never closed. Close the quote.`, { line, column });
}

export function tooManyColumns(line: number, most: number): BadFile {
  const message = `Line ${line} has more than ${most} columns, the most that SLUICE_MAX_COLUMNS allows. Check the delimiter, or split the file.`;
  return new BadFile('limit', message, { line });
}
