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

/** The finished markdown. @param {Bench} it @param {string} psqlVersion @returns {Promise<string>} */
export async function report(it, psqlVersion) {
  const parts = [await machine(it, psqlVersion), formats(it), others(it), rivals(it), notes(it)];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** @param {Bench} it @param {string} psqlVersion */
async function machine({ client, options }, psqlVersion) {
  const server = (await client.query('SHOW server_version')).rows[0].server_version;
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

/** @param {Bench} it */
function formats({ results, sizes }) {
  const psql = results.get('psql') ?? [];
  const lines = FORMATS.flatMap(([name, title, goal]) => {
    const ours = results.get(name);
    if (ours === undefined) return [];
    const ratios = ours.map(({ seconds }, round) => seconds / (psql[round]?.seconds ?? NaN));
    return [[title, spread(secondsOf(ours)), spread(secondsOf(psql)), spread(ratios), goal, peak(ours)]];
  });
  const title = `${number(sizes.rows)} rows x 14 columns`;
  return table(
    [title, 'Sluice, s', '`psql \\copy` of the CSV, s', 'ratio', 'at most', "flow-runner's peak, MiB"],
    lines,
  );
}

/** @param {Bench} it */
function others({ results, sizes }) {
  const lines = [];
  const many = results.get('many');
  if (many !== undefined)
    lines.push([
      `${number(sizes.smallFiles)} CSV files x ${number(sizes.rowsPerSmallFile)} rows`,
      `${spread(secondsOf(many))} s`,
      '4 s',
      peak(many),
    ]);
  const merge = results.get('merge');
  if (merge !== undefined) lines.push(mergeLine(merge, sizes.mergeRows));
  const large = results.get('large');
  if (large !== undefined)
    lines.push([
      `a CSV of ${(sizes.largeBytes / 1e9).toFixed(1)} GB`,
      `${spread(secondsOf(large))} s`,
      '450 MiB',
      peak(large),
    ]);
  return table(['other work', 'Sluice', 'at most', "flow-runner's peak, MiB"], lines);
}

/** @param {Result[]} merge @param {number} rows */
function mergeLine(merge, rows) {
  const ratios = merge.map(({ seconds, peerSeconds = NaN }) => seconds / peerSeconds);
  const byHand = spread(merge.map(({ peerSeconds = NaN }) => peerSeconds));
  const title = `merge of ${number(rows)} rows into ${number(rows)}, half of them new`;
  return [
    title,
    `${spread(secondsOf(merge))} s, by hand ${byHand} s: ratio ${spread(ratios)}`,
    'ratio 1.3',
    peak(merge),
  ];
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
