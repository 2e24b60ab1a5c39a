/** JSON that PostgreSQL takes as `jsonb`: NUL characters and halves of surrogate pairs, which it refuses, become U+FFFD. */
export function storedJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? storable(inner) : inner));
}

function storable(text: string): string {
  return Buffer.from(text.replaceAll('\0', '\ufffd'), 'utf8').toString('utf8');
}
