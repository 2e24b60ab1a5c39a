/** Rows by their numbers, both ends included. */
export interface Range {
  first: bigint;
  last: bigint;
}

/**
 * The first row of a range that cannot move, one of which cannot: halves are tried until it is alone. `moves` tries some rows in their order; those of
 * a half that moved stay moved, so that all rows before the one found are moved in the end.
 */
export async function firstStuck({ first, last }: Range, moves: (range: Range) => Promise<boolean>): Promise<bigint> {
  let [from, to] = [first, last];
  while (from < to) {
    const middle = (from + to) / 2n;
    if (await moves({ first: from, last: middle })) from = middle + 1n;
    else to = middle;
  }
  return from;
}
