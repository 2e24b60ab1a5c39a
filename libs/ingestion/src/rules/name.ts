import { refuse } from './refuse';

const MAX_LENGTH = 200;

/** The person's title of an ingestion: kept as it is written, never trimmed in silence. */
export function ingestionName(name: string): string {
  if (typeof name !== 'string' || name.trim() === '') refuse('name', name, 'is empty', 'Give the ingestion a name.');
  if (name !== name.trim()) refuse('name', name, 'begins or ends with a space', 'Leave it out.');
  if (/\p{Cc}/u.test(name)) refuse('name', name, 'holds a control character', 'Leave it out.');
  return name.length <= MAX_LENGTH
    ? name
    : refuse('name', name, `has ${name.length} characters`, `At most ${MAX_LENGTH}.`);
}
