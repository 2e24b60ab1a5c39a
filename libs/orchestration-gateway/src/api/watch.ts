import { OrchestrationUnavailable, type Clock, type OrchestrationReason } from '@sluice/kernel';
import { Logger } from '@nestjs/common';
import type { OrchestrationStatus } from '../types';
import type { ProbeResult } from './probe';
import { Readiness } from './readiness';

/** Between probes while Prefect is usable. */
export const PROBE_EVERY_MS = 5_000;
/** Between probes while it is not, or the last one missed: neither recovery nor an outage should wait to be noticed. */
const RETRY_EVERY_MS = 1_000;

export interface Probes {
  probe(): Promise<ProbeResult>;
  scheduler(): Promise<OrchestrationStatus['scheduler']>;
}

/** Keeps asking whether Prefect is usable, from `start` to `stop`; what it learned is answered from memory. */
export class Watch {
  readonly #readiness = new Readiness();
  readonly #log = new Logger('Orchestration');
  #facts: ProbeResult | null = null;
  #scheduler: OrchestrationStatus['scheduler'] = 'unknown';
  #running: AbortController | null = null;

  constructor(
    private readonly probes: Probes,
    private readonly clock: Clock,
    private readonly everyMs = PROBE_EVERY_MS,
  ) {}

  get initialized(): boolean {
    return this.#readiness.isUp(this.clock.now());
  }

  /** A probe has shown that Prefect cannot be used; false before the first one. */
  get knowsDown(): boolean {
    return this.#readiness.lastProbeAt !== null && !this.initialized;
  }

  status(): OrchestrationStatus {
    const now = this.clock.now();
    const initialized = this.#readiness.isUp(now);
    return {
      initialized,
      reason: this.#readiness.reason(now),
      prefectVersion: this.#facts?.prefectVersion ?? null,
      since: this.#readiness.since(now),
      lastProbeAt: this.#readiness.lastProbeAt,
      lastSuccessAt: this.#readiness.lastHitAt,
      scheduler: initialized ? this.#scheduler : 'unknown',
      workersOnline: initialized ? (this.#facts?.workersOnline ?? 0) : 0,
    };
  }

  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#loop(this.#running.signal);
  }

  stop(): void {
    this.#running?.abort(new Error('stopped'));
    this.#running = null;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.probeOnce();
      const settled = this.initialized && !this.#readiness.isMissing;
      const pause = settled ? this.everyMs : Math.min(this.everyMs, RETRY_EVERY_MS);
      await this.clock.sleep(pause, signal).catch(() => undefined);
    }
  }

  /** One probe, its result kept. Never throws. */
  async probeOnce(): Promise<void> {
    const before = this.initialized;
    try {
      this.#facts = await this.probes.probe();
      this.#readiness.hit(this.clock.now());
      this.#scheduler = await this.probes.scheduler();
    } catch (error) {
      this.#readiness.miss(this.clock.now(), reasonOf(error));
    }
    if (before !== this.initialized) this.#tell();
  }

  #tell(): void {
    const { initialized, reason, prefectVersion } = this.status();
    if (initialized) this.#log.log(`Prefect ${prefectVersion ?? ''} is usable.`);
    else this.#log.warn(`Prefect is not usable: ${reason ?? 'no answer for 15 s'}.`);
  }
}

/** Prefect refusing what the bootstrap sends (`RefusedByPrefect`) is as strange as an answer we cannot read. */
function reasonOf(error: unknown): OrchestrationReason {
  return error instanceof OrchestrationUnavailable ? error.reason : 'protocol';
}
