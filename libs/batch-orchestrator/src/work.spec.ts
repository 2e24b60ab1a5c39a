import type { WorkItem } from './loading/file-load';
import { WorkQueue } from './work';

function item(path: string, bytes = 1): WorkItem {
  return { entry: { path, bytes, fingerprint: '', modifiedAt: null }, replaces: null, lenient: false };
}

async function* of(...items: WorkItem[]): AsyncGenerator<WorkItem> {
  yield* items;
  await Promise.resolve();
}

async function batches(queue: WorkQueue): Promise<string[][]> {
  const all: string[][] = [];
  for (;;) {
    const batch = await queue.next();
    if (batch.length === 0) return all;
    all.push(batch.map(({ entry }) => entry.path));
  }
}

describe('a queue of work', () => {
  it('cuts by the number of files', async () => {
    const queue = new WorkQueue(of(item('a'), item('b'), item('c')), { files: 2, bytes: 100 });
    expect(await batches(queue)).toEqual([['a', 'b'], ['c']]);
  });

  it('cuts by bytes, and a larger file goes alone', async () => {
    const queue = new WorkQueue(of(item('a', 4), item('b', 6), item('c', 50), item('d', 1)), { files: 9, bytes: 10 });
    expect(await batches(queue)).toEqual([['a', 'b'], ['c'], ['d']]);
  });

  it('gives what was put back before the rest, in its order', async () => {
    const queue = new WorkQueue(of(item('a'), item('b'), item('c'), item('d')), { files: 3, bytes: 100 });
    const first = await queue.next();
    queue.putBack(first.slice(1));
    expect(await batches(queue)).toEqual([['b', 'c', 'd']]);
  });
});
