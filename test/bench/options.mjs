import { parseArgs } from 'node:util';

export const WORKS = /** @type {const} */ ([
  'csv',
  'parquet',
  'ndjson',
  'gz',
  'many',
  'merge',
  'shuffled',
  'large',
  'dlt',
  'sling',
]);

/** `step`: the load step alone, with no Prefect running. `path`: a whole stack, from the trigger to the end of the run. */
export const WAYS = /** @type {const} */ (['step', 'path']);

/** @typedef {(typeof WORKS)[number]} Work */
/** @typedef {(typeof WAYS)[number]} Way */
/** @typedef {{ rows: number, rounds: number, works: ReadonlySet<Work>, through: readonly Way[] }} Options */

const ROWS = 2_000_000;
const ROUNDS = 3;
const ROWS_PER_SMALL_FILE = 1000;
const LARGE_BYTES_PER_ROW = 2500;

export const USAGE = `npm run bench:formats [-- --only csv,parquet] [-- --through step] [-- --rounds 3] [-- --rows ${ROWS}]
  --only     what to measure, of ${WORKS.join(', ')}; default: all
  --through  step: the load step alone, a process of the flow-runner with no Prefect running; path: a whole stack; default: both, one after the other
  --rounds   of each, in turn with psql; default ${ROUNDS}
  --rows     of the one file; all other sizes shrink with it
`;

/**
 * Throws a sentence for what is not in `USAGE`.
 * @param {string[]} args @returns {Options}
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      through: { type: 'string' },
    },
  });
  const works = named('only', values.only, WORKS);
  // What a rival is compared with.
  if (works.includes('dlt') || works.includes('sling')) works.push('csv');
  return {
    rows: count('rows', values.rows, ROWS, 2 * ROWS_PER_SMALL_FILE),
    rounds: count('rounds', values.rounds, ROUNDS, 1),
    works: new Set(works),
    through: named('through', values.through, WAYS),
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

/** @template {string} T @param {string} option @param {string | undefined} text @param {readonly T[]} known @returns {T[]} all, unless some are named */
function named(option, text, known) {
  const names = text?.split(',') ?? known;
  const unknown = names.find((name) => !known.some((it) => it === name));
  if (unknown !== undefined)
    throw new Error(`--${option} ${unknown}: there is no such thing. There are ${known.join(', ')}.`);
  return known.filter((name) => names.includes(name));
}

/** @param {string} name @param {string | undefined} text @param {number} otherwise @param {number} least */
function count(name, text, otherwise, least) {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} ${text}: must be a whole number, at least ${least}.`);
  return value;
}
