import { Client } from 'pg';

/** Loaders that are wrong on purpose: the checks must see it. */
export const CONTROLS = ['ledger-after-commit'] as const;
export type Control = (typeof CONTROLS)[number];

type Query = (this: Client, ...args: unknown[]) => unknown;

/** From now on this process commits the rows of a batch first and writes the ledger in a second transaction. */
export function writeLedgerAfterCommit(): void {
  const prototype = Client.prototype as unknown as { query: Query };
  const { query } = prototype;
  prototype.query = function (this: Client, ...args) {
    if (!textOf(args[0]).includes('INSERT INTO sluice.ledger')) return query.apply(this, args);
    const commit = query.call(this, 'COMMIT') as Promise<unknown>;
    return commit.then(() => query.call(this, 'BEGIN')).then(() => query.apply(this, args));
  };
}

function textOf(statement: unknown): string {
  if (typeof statement === 'string') return statement;
  const { text } = (statement ?? {}) as { text?: unknown };
  return typeof text === 'string' ? text : '';
}
