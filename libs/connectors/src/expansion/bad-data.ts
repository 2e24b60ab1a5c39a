/** Compressed data cannot be expanded. `reason` completes "The gzip data of a.csv.gz cannot be read: ...". */
export class BadData extends Error {
  constructor(
    readonly reason: string,
    readonly type: 'malformed' | 'limit' = 'malformed',
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = 'BadData';
  }
}

export const ENDS_EARLY = 'it ends too early';
/** A reader that stopped at the first end would lose what was appended, or hide that it is broken. */
export const GOES_ON = 'other data follows its end';
