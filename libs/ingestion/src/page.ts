import { ValueError } from '@sluice/kernel';
import { knownId } from './uuid';
import type { Page, PageRequest } from './views';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** How many items a page has. */
export function pageLimit({ limit }: PageRequest): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new ValueError(`limit ${limit} is out of range. Give a whole number from 1 to ${MAX_LIMIT}.`, 'limit');
}

/** The key of the last item of the page before, as `encode` packed it; `null` for the first page. */
export function keyAfter({ cursor }: PageRequest, parts: number): string[] | null {
  if (cursor === undefined) return null;
  const key = unpacked(cursor);
  if (Array.isArray(key) && key.length === parts && key.every(isPart)) return key;
  throw wrongCursor();
}

/** Text that the database knows: no cursor of ours holds any other. */
function isPart(part: unknown): part is string {
  return typeof part === 'string' && !/\0|\p{Surrogate}/u.test(part);
}

/** `items` holds one more than `limit` when there is a next page. */
export function pageOf<Item>(items: Item[], limit: number, keyOf: (item: Item) => string[]): Page<Item> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  const more = items.length > limit && last !== undefined;
  return { items: shown, next_cursor: more ? packed(keyOf(last)) : null };
}

/** Newest first: the key of things with a time and an id, for `(created_at, id) < ($1, $2)`. */
export function newestAfter(request: PageRequest): [string | null, string | null] {
  const key = keyAfter(request, 2);
  if (!key) return [null, null];
  const [time = '', id = ''] = key;
  if (!isTime(time)) throw wrongCursor();
  return [time, knownId(id, wrongCursor)];
}

/** As `newestKey` writes it. */
function isTime(text: string): boolean {
  const time = new Date(/^\d{4}-/.test(text) ? text : NaN);
  return !Number.isNaN(time.getTime()) && time.toISOString() === text;
}

export function newestKey(item: { created_at: Date; id: string }): string[] {
  return [item.created_at.toISOString(), item.id];
}

export function wrongCursor(): ValueError {
  return new ValueError(
    'cursor is not one that a list has given. Leave it out to begin with the first page.',
    'cursor',
  );
}

export function packed(key: string[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function unpacked(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}
