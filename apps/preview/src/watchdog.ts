import { Worker } from 'node:worker_threads';

/** In a thread of its own, since a reader may hold up the main one for as long as it likes. */
const WATCH = `
const { workerData } = require('node:worker_threads');
const end = () => process.kill(process.pid, 'SIGKILL');
setTimeout(end, workerData.ms);
setInterval(() => process.ppid === workerData.parent || end(), 500);
`;

/** Ends this process, whatever it is doing, after `ms` milliseconds or soon after its parent is gone: then nobody else would. */
export function endAfter(ms: number): void {
  new Worker(WATCH, { eval: true, workerData: { ms, parent: process.ppid } }).unref();
}
