import { parseArgs } from 'node:util';

export const WORKS = /** @type {const} */ ([
  'csv',
  'parquet',
  'ndjson',
  'gz',
  'many',
  'merge',
  'large',
  'dlt',
  'sling',
]);

/** @typedef {(typeof WORKS)[number]} Work */
/** @typedef {{ rows: number, rounds: number, works: ReadonlySet<Work> }} Options */

const ROWS = 2_000_000;
const ROUNDS = 3;
const ROWS_PER_SMALL_FILE = 1000;
const LARGE_BYTES_PER_ROW = 2500;

/**
 * `--rows N` (all sizes shrink with it), `--rounds N`, `--only csv,parquet`. Throws a sentence for anything else.
 * @param {string[]} args @returns {Options}
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: { rows: { type: 'string' }, rounds: { type: 'string' }, only: { type: 'string' } },
  });
  const works = values.only === undefined ? [...WORKS] : values.only.split(',').map(work);
  // What a rival is compared with.
  if (works.includes('dlt') || works.includes('sling')) works.push('csv');
  return {
    rows: count('rows', values.rows, ROWS, 2 * ROWS_PER_SMALL_FILE),
    rounds: count('rounds', values.rounds, ROUNDS, 1),
    works: new Set(works),
  };
}

/** @param {number} rows of the one CSV */
export function sizes(rows) {
  return {
    rows,
    smallFiles: Math.floor(rows / 2 / ROWS_PER_SMALL_FILE),
    rowsPerSmallFile: ROWS_PER_SMALL_FILE,
    mergeRows: Math.floor(rows / 2),
    largeBytes: rows * LARGE_BYTES_PER_ROW,
  };
}

/** @param {string} name @returns {Work} */
function work(name) {
  const found = WORKS.find((known) => known === name);
  if (found === undefined) throw new Error(`--only ${name}: there is no such work. There are ${WORKS.join(', ')}.`);
  return found;
}

/** @param {string} name @param {string | undefined} text @param {number} otherwise @param {number} least */
function count(name, text, otherwise, least) {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} ${text}: must be a whole number, at least ${least}.`);
  return value;
}
