/**
 * Sends the soak's requests, in a process of its own so that it does not slow down who measures. Told what to do by its first message, and
 * by later ones whether Prefect is away; answers with what it saw.
 */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Mix } from './mix.mjs';

const TICK_MS = 10;
/** More than these are not sent, or a server that hangs would be buried. */
const UNDER_WAY = 300;
const TIMEOUT_MS = 20_000;
const SHOWN = 20;

/** @typedef {{ apiUrl: string, data: string, rate: number, minutes: number }} Order */
/** @typedef {{ status: number, body: any }} Answer `status` 0: none came */

const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY });
const seen = {
  /** Answers by kind and status. @type {Record<string, Record<string, number>>} */
  counts: {},
  /** Milliseconds by what was read, while Prefect was there and while it was away. @type {Record<string, number[]>} */
  reads: {},
  /** @type {string[]} the first answers that must not be */
  wrong: [],
  notSent: 0,
};
let away = false;
let underWay = 0;

/** @param {Order} order */
async function generate({ apiUrl, data, rate, minutes }) {
  const [mix, begun, end] = [new Mix(data), performance.now(), minutes * 60_000];
  let [sent, sentToPrefect] = [0, 0];
  for (let at = 0; at < end; at = performance.now() - begun) {
    for (; sent < (at / 1000) * rate; sent += 1) void send(apiUrl, mix.next());
    for (; sentToPrefect < at / 1000; sentToPrefect += 1) void send(apiUrl, mix.nextOfPrefect());
    await pause(TICK_MS);
  }
  while (underWay > 0) await pause(TICK_MS);
  agent.destroy();
  return { ...seen, accepted: mix.accepted };
}

/** @param {string} apiUrl @param {import('./mix.mjs').Ask} ask */
async function send(apiUrl, ask) {
  if (underWay >= UNDER_WAY) return void (seen.notSent += 1);
  underWay += 1;
  const [begun, wasAway] = [performance.now(), away];
  const answer = await exchange(apiUrl, ask).catch((error) => ({ status: 0, body: String(error) }));
  underWay -= 1;
  if (ask.kind === 'read')
    (seen.reads[`${ask.what}, Prefect ${wasAway || away ? 'away' : 'there'}`] ??= []).push(performance.now() - begun);
  count(ask, answer);
  ask.done?.(answer);
}

/** @param {import('./mix.mjs').Ask} ask @param {Answer} answer */
function count({ kind, method, path }, { status, body }) {
  const counts = (seen.counts[kind] ??= {});
  counts[status] = (counts[status] ?? 0) + 1;
  const right = (status >= 200 && status < 300) || (status >= 400 && status < 500) || status === 503;
  if (!right && seen.wrong.length < SHOWN)
    seen.wrong.push(`${method} ${path}: ${status} ${JSON.stringify(body).slice(0, 300)}`);
}

/** @param {string} apiUrl @param {import('./mix.mjs').Ask} ask @returns {Promise<Answer>} */
function exchange(apiUrl, { method, path, body }) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const sending = request(`${apiUrl}${path}`, { method, headers, agent, timeout: TIMEOUT_MS }, (answer) => {
      let received = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => (received += chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({ status: answer.statusCode ?? 0, body: received === '' ? null : JSON.parse(received) }),
      );
    });
    sending.once('timeout', () => sending.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    sending.once('error', reject);
    sending.end(text);
  });
}

process.once('disconnect', () => process.exit(0));
process.on('message', (/** @type {Partial<Order> & { away?: boolean }} */ message) => {
  if (message.away !== undefined) away = message.away;
  else void generate(/** @type {Order} */ (message)).then((result) => process.send?.(result));
});
