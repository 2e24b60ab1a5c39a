import { Worker } from 'node:worker_threads';

/** In a thread of its own, since a reader may hold up the main one for as long as it likes. */
const WATCH = `
const { workerData } = require('node:worker_threads');
const end = () => process.kill(process.pid, 'SIGKILL');
setTimeout(end, workerData.ms);
setInterval(() => process.memoryUsage.rss() > workerData.bytes && end(), 20);
setInterval(() => process.ppid === workerData.parent || end(), 500);
`;

export interface Bounds {
  /** Milliseconds. */
  ms: number;
  /** Of resident memory, whoever takes it: the limits of V8 and DuckDB do not count what lies in buffers. */
  bytes: number;
}

/**
 * Ends this process, whatever it is doing, after some time, soon after it holds more memory (looked at each 20 ms) or soon after its parent is gone:
 * then nobody else would. By SIGKILL, which is what a system that is out of memory sends too.
 */
export function endBeyond({ ms, bytes }: Bounds): void {
  new Worker(WATCH, { eval: true, workerData: { ms, bytes, parent: process.ppid } }).unref();
}
