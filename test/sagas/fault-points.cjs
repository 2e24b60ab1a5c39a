/**
 * Loaded into the API's process by the tests alone (`node --require`), so that shipped code knows nothing of it. A request with the header
 * `x-fault-point: before N` or `after N` kills the process before its N-th call to the outside is sent, or when its answer has come (or will not come); each call
 * is told to the parent by its name, as is the port that the system gave. What is called is seen where it leaves the process: statements at the driver of PostgreSQL, requests at
 * `node:http`. All else that the API awaits changes nothing outside.
 */
const { AsyncLocalStorage } = require('node:async_hooks');
const http = require('node:http');
const pg = require('pg');

const HEADER = 'x-fault-point';
/** @type {AsyncLocalStorage<{ when: string, at: number, calls: number }>} */
const operation = new AsyncLocalStorage();

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  if (event === 'listening') process.send?.({ port: this.address().port });
  const point = event === 'request' ? args[0].headers[HEADER] : undefined;
  if (point === undefined) return emit.call(this, event, ...args);
  const [when, at] = point.split(' ');
  return operation.run({ when, at: Number(at), calls: 0 }, () => emit.call(this, event, ...args));
};

/** Tells the call, dies here if it is to; gives back whether it is to die when the answer comes. */
function leave(name) {
  const here = operation.getStore();
  if (here === undefined) return false;
  here.calls += 1;
  process.send?.({ call: here.calls, name });
  if (here.calls !== here.at) return false;
  if (here.when === 'before') die();
  return here.when === 'after';
}

function die() {
  process.kill(process.pid, 'SIGKILL');
}

process.once('disconnect', die);

const query = pg.Client.prototype.query;
pg.Client.prototype.query = function (config, values, callback) {
  const text = typeof config === 'string' ? config : config?.text;
  if (typeof text !== 'string' || !leave(statement(text))) return query.call(this, config, values, callback);
  const last = typeof values === 'function' ? values : callback;
  if (last !== undefined) return query.call(this, config, typeof values === 'function' ? die : values, die);
  return query.call(this, config, values).finally(die);
};

const request = http.request;
http.request = function (...args) {
  const options = args.find((it) => typeof it === 'object' && !(it instanceof URL));
  const dies = leave(`${options.method} ${withoutIds(options.path)}`);
  const made = request.apply(this, args);
  return dies ? made.prependListener('response', die).prependListener('error', die) : made;
};

function withoutIds(path) {
  return path.replace(/^\/api/, '').replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '{id}');
}

/** Verb and table of a statement, and which columns it sets. */
function statement(text) {
  const plain = text.replace(/\s+/g, ' ').replaceAll('"', '').replaceAll('sluice_control.', '').trim();
  const changed = /(INSERT INTO|UPDATE|DELETE FROM) ([\w.]+)/.exec(plain);
  if (changed === null) return plain.replace(/^SELECT .* FROM (\w+) .*/, 'SELECT FROM $1').slice(0, 40);
  const set = /^UPDATE \w+ (?:AS \w+ )?SET (.*?)(?: WHERE|$)/.exec(plain)?.[1];
  const columns = [...(set ?? '').matchAll(/(?:^|, )(\w+) =/g)].map(([, column]) => column);
  const which = columns.includes('operation_id') ? ['the claim'] : columns.slice(0, 2);
  return `${changed[1]} ${changed[2]}${which.length > 0 ? ` (${which.join(', ')})` : ''}`;
}
