import { readdir, readFile } from 'node:fs/promises';

const EVERY_MS = 50;
/** Who is there is asked less often: it takes reading of all processes, on the cores that are measured. */
const LOOKS_PER_SEARCH = 8;

/**
 * Watches the processes below `root` whose command line holds `word`, and all below those, until `stop` gives the largest sum of their
 * peaks in MiB. Linux only (/proc); elsewhere `null`.
 * @param {number} root @param {string} word
 */
export function watchMemory(root, word) {
  /** @type {Map<number, number>} */
  const peaks = new Map();
  let running = true;
  const done = (async () => {
    /** @type {number[]} */
    let pids = [];
    for (let look = 0; running; look++) {
      if (look % LOOKS_PER_SEARCH === 0) pids = await family(root, word);
      for (const pid of pids) {
        const peak = await peakOf(pid);
        if (peak !== null) peaks.set(pid, Math.max(peak, peaks.get(pid) ?? 0));
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    stop: async () => {
      running = false;
      await done;
      return peaks.size === 0 ? null : [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
    },
  };
}

/** @param {number} root @param {string} word @returns {Promise<number[]>} */
async function family(root, word) {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map(
    await Promise.all(pids.map(async (pid) => /** @type {[number, number]} */ ([pid, await parentOf(pid)]))),
  );
  const below = (/** @type {number} */ pid, /** @type {number} */ ancestor) => {
    for (let at = parents.get(pid) ?? 0; at > 1; at = parents.get(at) ?? 0) if (at === ancestor) return true;
    return false;
  };
  /** @type {number[]} */
  const heads = [];
  for (const pid of pids) if (below(pid, root) && (await commandOf(pid)).includes(word)) heads.push(pid);
  return pids.filter((pid) => heads.some((head) => pid === head || below(pid, head)));
}

/** @param {number} pid */
async function parentOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

/** @param {number} pid */
async function commandOf(pid) {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
}

/** @param {number} pid */
async function peakOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  return peak === undefined ? null : Number(peak) / 1024;
}
