import { ValueError } from '@sluice/kernel';

const PATH = 'source.credentials';
const MAX_KEYS = 50;

/** Named secrets, or `null` for none. No message shows a value. */
export function credentialsOf(input: Record<string, string> | null | undefined): Record<string, string> | null {
  const entries = Object.entries(input ?? {});
  if (entries.length === 0) return null;
  if (entries.length > MAX_KEYS) throw new ValueError(`${PATH} has more than ${MAX_KEYS} keys.`, PATH);
  for (const [key, value] of entries) {
    if (typeof value !== 'string' || value === '')
      throw new ValueError(`${PATH}.${key} must be a text that is not empty.`, `${PATH}.${key}`);
  }
  return Object.fromEntries(entries);
}
