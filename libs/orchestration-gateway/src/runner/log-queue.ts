import type { Clock } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';
import type { LogCreate } from '../prefect/wire';
import { LEVEL_NUMBER } from '../prefect/words';
import type { LogLine } from '../types';

const LOGGER_NAME = 'sluice';
const SEND_EVERY_MS = 1_000;
const BATCH_LINES = 200;
const MAX_MESSAGE = 10_000;
const MAX_WAITING = 5_000;

/** Lines on their way to Prefect: in order, in batches, kept through an outage; dropped and counted when too many wait or the last `flush` fails. */
export class LogQueue {
  #waiting: LogCreate[] = [];
  #sending: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #lastStamp = 0;
  #dropped = 0;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    private readonly flowRunId: string,
  ) {}

  get dropped(): number {
    return this.#dropped;
  }

  add(level: LogLine['level'], message: string): void {
    if (this.#waiting.length >= MAX_WAITING) return void this.#dropped++;
    this.#waiting.push({
      name: LOGGER_NAME,
      level: LEVEL_NUMBER[level],
      message: message.replaceAll('\0', '').slice(0, MAX_MESSAGE),
      timestamp: this.#stamp(),
      flow_run_id: this.flowRunId,
    });
    this.#sendSoon();
  }

  /** Sends what waits, after what is being sent; what cannot be sent is dropped. Never throws. */
  flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    return this.#send((batch) => {
      this.#dropped += batch.length + this.#waiting.length;
      this.#waiting = [];
    });
  }

  #sendSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#send((batch) => {
        this.#waiting.unshift(...batch);
        this.#sendSoon();
      });
    }, SEND_EVERY_MS);
  }

  #send(onFailure: (batch: LogCreate[]) => void): Promise<void> {
    this.#sending = this.#sending.then(() => this.#sendBatches(onFailure));
    return this.#sending;
  }

  /** Until nothing waits or one batch fails. */
  async #sendBatches(onFailure: (batch: LogCreate[]) => void): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_LINES);
      try {
        await this.prefect.send(routes.createLogs(batch));
      } catch {
        return void onFailure(batch);
      }
    }
  }

  /** Strictly growing microseconds, since Prefect orders lines by time alone. */
  #stamp(): string {
    this.#lastStamp = Math.max(this.clock.now().getTime() * 1000, this.#lastStamp + 1);
    const second = new Date(Math.floor(this.#lastStamp / 1_000_000) * 1000).toISOString().slice(0, 19);
    return `${second}.${String(this.#lastStamp % 1_000_000).padStart(6, '0')}Z`;
  }
}
