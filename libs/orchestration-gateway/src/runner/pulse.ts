import { randomUUID } from 'node:crypto';
import type { Clock } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';
import type { StateType } from '../prefect/wire';

const LOOK_EVERY_MS = 2_000;
const LOOKS_PER_BEAT = 15;
const STOP_WORDS: ReadonlySet<StateType> = new Set(['CANCELLING', 'CANCELLED']);

/** Looks each 2 s whether the run is to be cancelled, and each 30 s tells Prefect that its process lives. What fails is asked again. */
export class Pulse {
  readonly #cancelled = new AbortController();
  #running: AbortController | null = null;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    private readonly flowRunId: string,
  ) {}

  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#loop(this.#running.signal);
  }

  stop(): void {
    this.#running?.abort(new Error('stopped'));
  }

  async #loop(signal: AbortSignal): Promise<void> {
    for (let look = 0; !signal.aborted; look++) {
      if (look % LOOKS_PER_BEAT === 0) await this.#beat().catch(() => undefined);
      await this.#look().catch(() => undefined);
      await this.clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const run = await this.prefect.find(routes.readFlowRun(this.flowRunId));
    if (run && STOP_WORDS.has(run.state.type))
      this.#cancelled.abort(new Error('the flow run was cancelled in Prefect'));
  }

  async #beat(): Promise<void> {
    const resource = { 'prefect.resource.id': `prefect.flow-run.${this.flowRunId}` };
    const occurred = this.clock.now().toISOString();
    await this.prefect.send(
      routes.createEvent({ id: randomUUID(), occurred, event: 'prefect.flow-run.heartbeat', resource }),
    );
  }
}
