import { readdirSync, readFileSync } from 'node:fs';

/** The pid of a process whose environment and command line hold the words (Linux). */
export function processWith(variable: string, command: string): number | null {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const matches = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(variable);
      if (matches && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(command)) return Number(name);
    } catch {
      // It has ended meanwhile, or is not ours to look at.
    }
  }
  return null;
}
