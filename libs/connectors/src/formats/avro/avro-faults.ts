import { BadFile } from '../../errors';

/** The bytes are not what they should be. The message is a clause: `the file ends too early`. */
export class BrokenAvro extends Error {}

/** More than the configuration allows, likewise: `a block is longer than 1024 bytes (SLUICE_MAX_RECORD_BYTES)`. */
export class BeyondLimit extends Error {}

/** What came of reading the file at path, at or after its `record`-th record, as the file's own fault; everything else passes. */
export function asBadFile(path: string, record: number, error: unknown): unknown {
  if (!(error instanceof BrokenAvro || error instanceof BeyondLimit)) return error;
  const isLimit = error instanceof BeyondLimit;
  const what = `${path} ${isLimit ? 'goes beyond a limit' : 'is broken'} at record ${record}`;
  const remedy = isLimit ? 'Raise the limit or write the file in another way.' : 'Write or copy the file again.';
  return new BadFile(
    isLimit ? 'limit' : 'malformed',
    `${what}: ${error.message}. ${remedy}`,
    { line: record },
    { cause: error },
  );
}

/** A block that expands to more than is allowed. */
export function tooLong(limit: number): BeyondLimit {
  return new BeyondLimit(`a block is longer than ${limit} bytes when it is expanded (SLUICE_MAX_RECORD_BYTES)`);
}
