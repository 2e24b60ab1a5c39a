/** The same chunks, the first of them with at least `count` bytes (if there are as many), and that one to look at. */
export async function withHead(
  chunks: AsyncIterable<Buffer>,
  count: number,
): Promise<{ head: Buffer; all: AsyncGenerator<Buffer> }> {
  const source = chunks[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  for (let have = 0; have < count;) {
    const next = await source.next();
    if (next.done === true) break;
    first.push(next.value);
    have += next.value.length;
  }
  const head = first.length === 1 ? (first[0] ?? Buffer.alloc(0)) : Buffer.concat(first);
  return { head, all: resumed(head, source) };
}

async function* resumed(head: Buffer, source: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  } finally {
    await source.return?.();
  }
}
