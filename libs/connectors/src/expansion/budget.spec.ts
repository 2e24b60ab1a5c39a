import { ExpansionBudget } from './budget';

async function* pieces(...sizes: number[]): AsyncGenerator<Buffer> {
  for (const size of sizes) yield await Promise.resolve(Buffer.alloc(size));
}

async function all(chunks: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

it('a part read again, even in part only, counts as far as it was read before', async () => {
  const budget = new ExpansionBudget('a.zip', 10, { expandedBytes: 10, ratio: 1 });
  const [first, second] = [budget.meter(), budget.meter()];
  expect(await all(first(pieces(4, 4)))).toBe(8);
  expect(await all(first(pieces(3)))).toBe(3);
  expect(await all(second(pieces(2)))).toBe(2);
  await expect(all(second(pieces(3)))).rejects.toMatchObject({
    name: 'BadFile',
    type: 'limit',
    message: 'a.zip expands to more than 10 bytes. Split it, or raise SLUICE_MAX_EXPANDED_BYTES if you trust it.',
  });
});
