import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { promisify } from 'node:util';
import { median } from './stack.mjs';

const run = promisify(execFile);

/** @typedef {import('./formats.mjs').Bench} Bench */
/** @typedef {import('./formats.mjs').Result} Result */

const FORMATS = /** @type {const} */ ([
  ['csv', 'CSV', '1.10'],
  ['parquet', 'Parquet (snappy)', '0.75'],
  ['ndjson', 'NDJSON', '1.35'],
  ['gz', 'CSV, gzip', '1.35'],
]);

const WAY = { step: 'load step alone', path: 'whole path' };

/** The finished markdown. @param {Bench[]} benches one of each way, at least one @param {string} psqlVersion @returns {Promise<string>} */
export async function report(benches, psqlVersion) {
  const last = /** @type {Bench} */ (benches.at(-1));
  const parts = [await machine(last, psqlVersion), formats(benches), others(benches), rivals(last), notes(last)];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** @param {Bench} it @param {string} psqlVersion */
async function machine({ server, options }, psqlVersion) {
  const commit = await run('git', ['rev-parse', '--short', 'HEAD']).then(
    ({ stdout }) => `, commit ${stdout.trim()}`,
    () => '',
  );
  const command = `npm run bench:formats${process.argv.length > 3 ? ` -- ${process.argv.slice(3).join(' ')}` : ''}`;
  return (
    `\`${command}\`, ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, PostgreSQL ${server} on the same machine, psql ${psqlVersion}${commit}. ` +
    `${options.rounds} rounds in turn; medians, in brackets the least and the greatest.`
  );
}

/** @param {Bench[]} benches */
function formats(benches) {
  const lines = FORMATS.flatMap(([name, title, goal]) =>
    benches.flatMap(({ way, results }) => {
      const [ours, psql = []] = [results.get(name), results.get('psql')];
      if (ours === undefined) return [];
      const ratios = ours.map(({ seconds }, round) => seconds / (psql[round]?.seconds ?? NaN));
      return [
        [
          title,
          WAY[way],
          spread(secondsOf(ours)),
          spread(secondsOf(psql)),
          spread(ratios),
          goal,
          ...processAndPeak(ours),
        ],
      ];
    }),
  );
  const title = `${number(benches[0]?.sizes.rows ?? NaN)} rows x 14 columns`;
  return table(
    [title, 'through', 'Sluice, s', '`psql \\copy` of the CSV, s', 'ratio', 'at most', ...PROCESS_AND_PEAK],
    lines,
  );
}

/** @param {Bench[]} benches */
function others(benches) {
  /** @type {[string, (it: Bench) => string, (results: Result[]) => string, string][]} */
  const works = [
    [
      'many',
      ({ sizes }) => `${number(sizes.smallFiles)} CSV files x ${number(sizes.rowsPerSmallFile)} rows`,
      seconds,
      '4 s',
    ],
    [
      'merge',
      ({ sizes }) => `merge of ${number(sizes.mergeRows)} rows into ${number(sizes.mergeRows)}, half of them new`,
      merged,
      'ratio 1.3',
    ],
    ['shuffled', () => 'the same, its rows in no order', merged, 'ratio 1.3'],
    ['large', ({ sizes }) => `a CSV of ${(sizes.largeBytes / 1e9).toFixed(1)} GB`, seconds, '450 MiB'],
  ];
  const lines = works.flatMap(([name, title, told, goal]) =>
    benches.flatMap((it) => {
      const ours = it.results.get(name);
      return ours === undefined ? [] : [[title(it), WAY[it.way], told(ours), goal, ...processAndPeak(ours)]];
    }),
  );
  return table(['other work', 'through', 'Sluice', 'at most', ...PROCESS_AND_PEAK], lines);
}

/** @param {Result[]} results */
function seconds(results) {
  return `${spread(secondsOf(results))} s`;
}

/** @param {Result[]} results */
function merged(results) {
  const ratios = results.map(({ seconds, peerSeconds = NaN }) => seconds / peerSeconds);
  const byHand = spread(results.map(({ peerSeconds = NaN }) => peerSeconds));
  return `${seconds(results)}, by hand ${byHand} s: ratio ${spread(ratios)}`;
}

const PROCESS_AND_PEAK = ["the flow-runner's process, s", 'its peak, MiB'];

/** Where no worker starts it, its process is timed too. @param {Result[]} results */
function processAndPeak(results) {
  const times = results.flatMap(({ processSeconds }) => processSeconds ?? []);
  return [times.length === 0 ? '' : spread(times), peak(results)];
}

/** @param {Bench} it */
function rivals({ results, rivals, sizes }) {
  const works = /** @type {const} */ ([
    ['dlt', 'dlt', 'csv', `the CSV of ${number(sizes.rows)} rows`, '6'],
    ['dlt', 'dlt many', 'many', `${number(sizes.smallFiles)} CSV files x ${number(sizes.rowsPerSmallFile)} rows`, ''],
    ['sling', 'sling', 'csv', `the CSV of ${number(sizes.rows)} rows`, '4'],
  ]);
  const lines = works.flatMap(([name, theirWork, ourWork, title, goal]) => {
    const [theirs, ours] = [results.get(theirWork), results.get(ourWork)];
    if (theirs === undefined || ours === undefined) return [];
    const times = theirs.map(({ seconds }, round) => seconds / (ours[round]?.seconds ?? NaN));
    return [
      [
        rivals.get(name)?.name ?? name,
        title,
        spread(secondsOf(theirs)),
        spread(secondsOf(ours)),
        spread(times),
        goal,
        peak(theirs),
      ],
    ];
  });
  return table(['peer', 'work', 'its time, s', 'Sluice, s', 'times faster', 'at least', 'its peak, MiB'], lines);
}

/** @param {Bench} it */
function notes({ notes }) {
  return [...notes].map((note) => `- ${note}`).join('\n');
}

/** @param {string[]} head @param {string[][]} lines */
function table(head, lines) {
  if (lines.length === 0) return '';
  const row = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}

/** @param {Result[]} results */
function secondsOf(results) {
  return results.map(({ seconds }) => seconds);
}

/** @param {number[]} values */
function spread(values) {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const middle = median(values).toFixed(2);
  return values.length === 1 ? middle : `${middle} (${least.toFixed(2)}-${greatest.toFixed(2)})`;
}

/** @param {Result[]} results */
function peak(results) {
  const peaks = results.flatMap(({ memory }) => memory ?? []);
  return peaks.length === 0 ? '?' : Math.max(...peaks).toFixed(0);
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString('en-US');
}
