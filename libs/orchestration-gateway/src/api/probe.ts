import { Logger } from '@nestjs/common';
import { OrchestrationUnavailable } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import { saidBy, unavailable } from '../prefect/failures';
import { AttemptFailed } from '../prefect/retry';
import * as routes from '../prefect/routes';
import type { Server } from '../prefect/servers';
import type { Bootstrap } from './bootstrap';

/** A probe must end well before the next one. */
const PROBE_MS = 3_000;
const MISSES_TO_OPEN = 2;

export interface ProbeResult {
  prefectVersion: string;
  workersOnline: number;
}

/** Probes one server and tells its circuit breaker, so that callers neither wait for a dead server nor miss one that is back. */
export class ServerProbe {
  readonly #log = new Logger('Orchestration');
  #misses = 0;
  /** Why it has missed since it was well: each reason is told once, for a probe comes each second. */
  readonly #told = new Set<string>();

  constructor(
    readonly server: Server,
    private readonly probe: () => Promise<ProbeResult>,
  ) {}

  async run(): Promise<ProbeResult> {
    try {
      const result = await this.probe();
      this.#hit();
      return result;
    } catch (error) {
      this.#miss(error);
      throw error;
    }
  }

  #hit(): void {
    if (this.#misses >= MISSES_TO_OPEN) this.#log.log(`Prefect at ${this.server.name} answers again.`);
    this.#misses = 0;
    this.#told.clear();
    this.server.breaker.close();
  }

  /** A server that answers, if only to refuse us, costs no waiting and stays open for calls. */
  #miss(error: unknown): void {
    this.#misses += 1;
    if (this.#misses < MISSES_TO_OPEN) return;
    if (isOutage(error)) this.server.breaker.open(error);
    const reason = error instanceof OrchestrationUnavailable ? error.reason : (error as Error).name;
    if (this.#told.has(reason)) return;
    this.#told.add(reason);
    this.#tell(error);
  }

  #tell(error: unknown): void {
    const { name } = this.server;
    if (isOutage(error)) this.#log.warn(`Prefect at ${name} is down: ${error.reason}.`);
    else if (error instanceof OrchestrationUnavailable)
      this.#log.warn(`Prefect at ${name} answers, but cannot be used (${error.reason}): ${saidBy(error)}`);
    else this.#log.error(`Prefect at ${name} cannot be used, by a mistake of Sluice: ${withStack(error)}`);
  }
}

function isOutage(error: unknown): error is OrchestrationUnavailable {
  return error instanceof OrchestrationUnavailable && new AttemptFailed(error).isOutage;
}

function withStack(error: unknown): string {
  return (error instanceof Error ? error.stack : undefined) ?? String(error);
}

/** Looks at all servers; one is enough. The facts are those of the one that is used now, if it is well. */
export async function probeAll(probes: readonly ServerProbe[], good: () => Server): Promise<ProbeResult> {
  const results = await Promise.allSettled(probes.map((probe) => probe.run()));
  const ordered = [...results.filter((_, index) => probes[index]?.server === good()), ...results];
  const seen = ordered.find((result) => result.status === 'fulfilled');
  if (seen) return seen.value;
  throw (ordered[0] as PromiseRejectedResult).reason;
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
