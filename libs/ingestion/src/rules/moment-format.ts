import { refuse } from './refuse';

const DAY: readonly string[] = ['YYYY', 'MM', 'DD'];
const MAX_LENGTH = 40;
const DATE_REMEDY = 'Write YYYY, MM and DD once each with signs between them, such as "DD.MM.YYYY".';
const TIMESTAMP_REMEDY =
  'Write YYYY, MM, DD, HH and mm once each (ss and SSS if the files have them), such as "DD.MM.YYYY HH:mm:ss".';

/** How dates are written: each of `YYYY MM DD` once. */
export function dateFormat(path: string, format: string): void {
  const tokens = tokensOf(path, format, DATE_REMEDY);
  const whole = DAY.every((token) => tokens.includes(token)) && tokens.length === DAY.length;
  if (!whole) refuse(path, format, 'is no date format', DATE_REMEDY);
}

/** How moments are written: the day, hours and minutes; seconds and their fraction where the files have them. */
export function timestampFormat(path: string, format: string): void {
  const tokens = tokensOf(path, format, TIMESTAMP_REMEDY);
  const whole = [...DAY, 'HH', 'mm'].every((token) => tokens.includes(token));
  const runsOn = /SSS(?:YYYY|MM|DD|HH|mm|ss)/.test(format);
  if (!whole || runsOn || (tokens.includes('SSS') && !tokens.includes('ss'))) {
    refuse(path, format, 'is no timestamp format', TIMESTAMP_REMEDY);
  }
}

/** The tokens in their order. Letters that are no token are refused: `yyyy` or `MMM` would be taken for text of the value. Only `T` may stand between. */
function tokensOf(path: string, format: string, remedy: string): string[] {
  if (typeof format !== 'string' || format.length > MAX_LENGTH) refuse(path, format, 'is no format', remedy);
  const found: string[] = format.match(/YYYY|MM|DD|HH|mm|SSS|ss/g) ?? [];
  const between = format.replace(/YYYY|MM|DD|HH|mm|SSS|ss/g, '\0');
  const stranger = /[\p{L}\p{N}]/u.exec(between.replace('\0T\0', '\0\0'))?.[0];
  if (stranger !== undefined) refuse(path, format, `holds "${stranger}", which is no token`, remedy);
  const twice = found.find((token, index) => found.indexOf(token) !== index);
  if (twice !== undefined) refuse(path, format, `holds ${twice} twice`, remedy);
  return found;
}
