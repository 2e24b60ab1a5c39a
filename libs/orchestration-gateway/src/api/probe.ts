import type { PrefectClient } from '../prefect/client';
import { unavailable } from '../prefect/failures';
import * as routes from '../prefect/routes';
import type { Bootstrap } from './bootstrap';

/** A probe must end well before the next one. */
const PROBE_MS = 3_000;

export interface ProbeResult {
  prefectVersion: string;
  workersOnline: number;
}

/**
 * Asks Prefect, with our credentials, for all that a real call needs, and makes what is missing (so a pool deleted by hand is back with
 * the next probe). Throws `OrchestrationUnavailable` when it cannot be used.
 */
export async function probe(prefect: PrefectClient, bootstrap: Bootstrap): Promise<ProbeResult> {
  const budget = prefect.budget(PROBE_MS);
  const prefectVersion = await prefect.send(routes.readVersion(), budget);
  if (!isSupported(prefectVersion)) throw unavailable('version', `Prefect ${prefectVersion}`);
  await bootstrap.ensureFlow(budget);
  await bootstrap.ensurePool(budget);
  const workers = await prefect.send(routes.listWorkers(bootstrap.pool), budget);
  return { prefectVersion, workersOnline: workers.filter((worker) => worker.status === 'ONLINE').length };
}

/** 3.8 or later, below 4. */
export function isSupported(version: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return major === '3' && Number(minor) >= 8;
}
