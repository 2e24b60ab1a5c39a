import type { LoadSession, SourceEntry } from '@sluice/connectors';
import type { WorkItem } from './loading/file-load';

const PAGE = 500;

/**
 * What is new, then changed files (their old rows go), both in the order of their paths. In this order, since a file whose old ledger row is gone within a
 * transaction would look like a new one.
 */
export async function* newWork(session: LoadSession, reloads: boolean): AsyncGenerator<WorkItem> {
  for await (const entry of pages((after) => session.fresh(after, PAGE)))
    yield { entry, replaces: null, lenient: false };
  if (!reloads) return;
  for await (const touched of pages((after) => session.touched(after, PAGE))) {
    const { path, bytes, fingerprint, modifiedAt, loadId } = touched;
    yield { entry: { path, bytes, fingerprint, modifiedAt }, replaces: loadId, lenient: false };
  }
}

/** Everything listed, in the order of the paths. */
export async function* allWork(session: LoadSession): AsyncGenerator<WorkItem> {
  for await (const entry of allListed(session)) yield { entry, replaces: null, lenient: false };
}

export function allListed(session: LoadSession): AsyncGenerator<SourceEntry> {
  return pages((after) => session.listed(after, PAGE));
}

/** All items of a paged reading; the page after is asked for when the one before is used up. */
export async function* pages<T extends { path: string }>(
  page: (after: string | null) => Promise<T[]>,
): AsyncGenerator<T> {
  for (let after: string | null = null; ;) {
    const items: T[] = await page(after);
    yield* items;
    after = items.at(-1)?.path ?? null;
    if (after === null) return;
  }
}

export interface BatchBudget {
  files: number;
  bytes: number;
}

/** Cuts work into batches; what a batch could not do is put back before the rest. */
export class WorkQueue {
  private waiting: WorkItem[] = [];
  private exhausted = false;

  constructor(
    private readonly source: AsyncIterator<WorkItem>,
    private readonly budget: BatchBudget,
  ) {}

  /** The next batch, within the budget (one larger file goes alone); empty at the end. */
  async next(): Promise<WorkItem[]> {
    const batch: WorkItem[] = [];
    let bytes = 0;
    for (;;) {
      const item = await this.peek();
      if (item === null || batch.length >= this.budget.files) return batch;
      bytes += item.entry.bytes;
      if (batch.length > 0 && bytes > this.budget.bytes) return batch;
      batch.push(item);
      this.waiting.shift();
    }
  }

  putBack(items: readonly WorkItem[]): void {
    this.waiting = [...items, ...this.waiting];
  }

  private async peek(): Promise<WorkItem | null> {
    if (this.waiting.length === 0 && !this.exhausted) {
      const next = await this.source.next();
      if (next.done === true) this.exhausted = true;
      else this.waiting.push(next.value);
    }
    return this.waiting[0] ?? null;
  }
}
