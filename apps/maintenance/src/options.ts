import { parseArgs } from 'node:util';
import { ConfigError } from '@sluice/kernel';

export type Command =
  { name: 'reconcile'; dryRun: boolean; force: boolean } | { name: 'backfill'; dryRun: boolean; patienceMs: number };

export const USAGE = `  npm run reconcile -- [--dry-run] [--force]
      Brings Prefect to what the control database says. --dry-run only shows what differs. --force removes deployments although
      they are suspiciously many.
  npm run deployments:backfill -- [--dry-run] [--patience <seconds>]
      Makes the deployments of ingestions that have a schedule and never had one. An outage of Prefect is waited out for
      --patience seconds, 60 by default.`;

const DEFAULT_PATIENCE = '60';

/** Throws `ConfigError` for what is no command of ours. */
export function readCommand([name, ...args]: readonly string[]): Command {
  if (name === 'reconcile') {
    const values = parsed(args, { 'dry-run': { type: 'boolean' }, force: { type: 'boolean' } });
    return { name, dryRun: values['dry-run'] === true, force: values['force'] === true };
  }
  if (name === 'backfill') {
    const values = parsed(args, { 'dry-run': { type: 'boolean' }, patience: { type: 'string' } });
    return { name, dryRun: values['dry-run'] === true, patienceMs: milliseconds(values['patience']) };
  }
  throw new ConfigError([`${name ?? 'nothing'}: is no command. There are:\n${USAGE}`]);
}

type Options = Record<string, { type: 'boolean' | 'string' }>;

function parsed(args: readonly string[], options: Options): Record<string, unknown> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (error) {
    throw new ConfigError([`${(error as Error).message}\n${USAGE}`]);
  }
}

function milliseconds(given: unknown): number {
  const text = typeof given === 'string' ? given : DEFAULT_PATIENCE;
  if (!/^\d{1,5}$/.test(text)) throw new ConfigError([`--patience ${text}: is not a number of seconds`]);
  return Number(text) * 1_000;
}
