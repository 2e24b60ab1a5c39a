import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { median } from '../stack.mjs';

const EVERY_MS = 1_000;
const PROBE_MS = 10_000;
/** The first part of the time, in which memory still grows because caches fill and code is compiled. */
const WARM_UP = 0.2;
const PART = 0.2;

/** Samples the memory of a process until `stop`, MiB. Linux only (/proc); elsewhere there are no samples. @param {number} pid */
export function watchResident(pid) {
  /** @type {number[]} */
  const samples = [];
  const stop = new AbortController();
  const loop = (async () => {
    while (!stop.signal.aborted) {
      const now = await residentOf(pid);
      if (now !== null) samples.push(now);
      await pause(EVERY_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stop.abort();
      await loop;
      return samples;
    },
  };
}

/**
 * What the process holds after a whole garbage collection, MiB: its heap and the buffers outside of it. It must have heap-probe.cjs loaded.
 * @param {number} pid @param {string} file which the probe writes @returns {Promise<number>}
 */
export async function heapOf(pid, file) {
  await rm(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (const deadline = Date.now() + PROBE_MS; Date.now() < deadline; await pause(50)) {
    const bytes = await readFile(file, 'utf8').catch(() => null);
    if (bytes !== null) return Number(bytes) / 1024 / 1024;
  }
  throw new Error(`The API did not tell its heap within ${PROBE_MS / 1000} s.`);
}

/** Open sockets of a process; `null` where there is no /proc. @param {number} pid @returns {Promise<number | null>} */
export async function socketsOf(pid) {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => null);
  if (names === null) return null;
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.filter((link) => link.startsWith('socket:')).length;
}

/** @param {number} pid */
async function residentOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

/**
 * The median of the first fifth after the warm-up and of the last fifth: single samples go up and down with the garbage collector.
 * @param {number[]} samples @returns {{ before: number, after: number, growth: number }} `growth` as a part of `before`
 */
export function growthOf(samples) {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  const part = Math.max(1, Math.floor(warm.length * PART));
  const [before, after] = [median(warm.slice(0, part)), median(warm.slice(-part))];
  return { before, after, growth: after / before - 1 };
}

/** @param {number[]} values @param {number} share @returns {number} the value that `share` of them do not exceed; NaN when there is none */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
