import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

const SEED = 20260101;
const ZONES = [
  'Midtown',
  'Upper East Side',
  'Airport, Terminal 4',
  'Harlem',
  'Battery Park City',
  'SoHo',
  'East "Village"',
];
const HEADER =
  'trip_id,vendor,pickup_at,dropoff_at,passengers,distance_km,rate_code,store_and_fwd,payment,fare,tip,total,zone,note\n';

/**
 * Writes `rows` trips, always the same for the same numbers; 2,000,000 are 206 MB.
 * @param {string} path @param {number} rows @param {{ firstId?: number, seed?: number }} [from]
 */
export async function writeTrips(path, rows, { firstId = 1, seed = SEED } = {}) {
  const file = createWriteStream(path);
  const random = generator(seed);
  const lastId = firstId + rows - 1;
  let text = HEADER;
  for (let id = firstId; id <= lastId; id++) {
    text += trip(id, random);
    if (text.length < 1_000_000 && id < lastId) continue;
    if (!file.write(text)) await once(file, 'drain');
    text = '';
  }
  file.end();
  await once(file, 'finish');
}

/** @param {number} id @param {() => number} random */
function trip(id, random) {
  const pickup = 1_700_000_000 + Math.floor(random() * 30_000_000);
  const dropoff = pickup + Math.floor(random() * 3000);
  const [fare, tip] = [Math.floor(random() * 8000) / 100, Math.floor(random() * 2000) / 100];
  const zone = ZONES[Math.floor(random() * ZONES.length)] ?? '';
  const note = random() < 0.5 ? '' : quoted(`ride ${Math.floor(random() * 100000)}, ok`);
  return [
    id,
    `v${Math.floor(random() * 5)}`,
    moment(pickup),
    moment(dropoff),
    1 + Math.floor(random() * 6),
    (random() * 30).toFixed(2),
    1 + Math.floor(random() * 5),
    random() < 0.5 ? 'Y' : 'N',
    random() < 0.5 ? 'cash' : 'card',
    fare.toFixed(2),
    tip.toFixed(2),
    (fare + tip).toFixed(2),
    /[",]/.test(zone) ? quoted(zone) : zone,
    `${note}\n`,
  ].join(',');
}

/** @param {string} text */
function quoted(text) {
  return `"${text.replaceAll('"', '""')}"`;
}

/** @param {number} seconds */
function moment(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

/** mulberry32, a small generator in the public domain. @param {number} seed @returns {() => number} from 0 to 1 */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
