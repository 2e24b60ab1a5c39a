import { refuse } from './refuse';

const PATH = 'schedule.timezone';
const REMEDY = 'Give an IANA name such as "Europe/Berlin", "America/New_York" or "UTC".';
/** How aliases are written in the IANA database: `Asia/Kolkata`, `US/Pacific`. */
const ALIAS = /^[A-Z][A-Za-z]+(\/[A-Z][a-z][A-Za-z0-9_+-]*)+$/;

/**
 * The zone in IANA's spelling. Intl takes any case, Prefect's zoneinfo does not. An alias that is spelt as IANA spells them is kept:
 * Intl would answer with the older name (`Asia/Calcutta`), which a server's zone files may lack.
 */
export function canonicalTimezone(value: string): string {
  const resolved = resolve(value) ?? refuse(PATH, value, 'is not a time zone', REMEDY);
  if (resolved.toLowerCase() === value.toLowerCase()) return resolved;
  return ALIAS.test(value) ? value : resolved;
}

/** Offsets such as `+02:00`, which newer Intl takes, are no zones: they know no daylight saving. */
function resolve(value: string): string | null {
  if (!/^[A-Za-z]/.test(value)) return null;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}
