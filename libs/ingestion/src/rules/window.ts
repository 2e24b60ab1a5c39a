import type { TriggerInput } from '../inputs';
import type { RunParameters } from '../types';
import { onlyKnown, refuse } from './refuse';

/** With the date whole and, if there is a time, its offset from UTC: what a local time means is nobody's to guess. */
const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
const REMEDY = 'Write ISO 8601 such as "2026-01-31" (midnight UTC) or "2026-01-31T14:30:00Z".';
const MAX_PREFIX_BYTES = 2_000;

/** What a run by hand looks at: files modified within [from, until) below a prefix; all that is new when nothing is given. */
export function loadWindow(input: TriggerInput): Extract<RunParameters, { kind: 'load' }> {
  onlyKnown('', input, ['from', 'until', 'path_prefix']);
  const [from, until] = [instant('from', input.from), instant('until', input.until)];
  if (from !== null && until !== null && from >= until) {
    refuse('until', input.until, `is not after from ${JSON.stringify(input.from)}`, 'Give a later time.');
  }
  return { kind: 'load', from, until, path_prefix: prefix(input.path_prefix) };
}

function instant(path: string, value: string | null | undefined): string | null {
  if (value === undefined || value === null) return null;
  const time = typeof value === 'string' && ISO.test(value) ? new Date(value) : null;
  if (time === null || Number.isNaN(time.getTime()) || !isReal(value)) {
    return refuse(path, value, 'is no time', REMEDY);
  }
  return time.toISOString();
}

/** `Date` takes 31 February for 3 March. */
function isReal(value: string): boolean {
  const [year, month, day] = value.slice(0, 10).split('-').map(Number) as [number, number, number];
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

function prefix(value: string | null | undefined): string | null {
  const path = 'path_prefix';
  if (value === undefined || value === null) return null;
  if (value === '') refuse(path, value, 'is empty', 'Leave it out to look at all files.');
  if (Buffer.byteLength(value) > MAX_PREFIX_BYTES)
    refuse(path, value, 'is too long', `At most ${MAX_PREFIX_BYTES} bytes.`);
  if (value.startsWith('/') || value.split('/').includes('..')) {
    refuse(path, value, 'is not relative to source.path', 'Write it as GET .../files shows paths, such as "2026/01/".');
  }
  return value;
}
