import { Breaker } from './breaker';
import type { Sender } from './transport';

/** One address of Prefect. Several share one database, so whichever answers has done it for all. */
export class Server {
  readonly breaker = new Breaker();
  #isClosed = false;

  constructor(
    /** Host and port, for the log. */
    readonly name: string,
    readonly sender: Sender,
  ) {}

  /** Once closed nothing is tried again: what a closing breaks off would else go on over a new connection. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.sender.close();
  }
}

/** The addresses in `PREFECT_API_URL`, in the order of who answered last. */
export class Servers {
  #good: Server;

  constructor(readonly all: readonly [Server, ...Server[]]) {
    this.#good = all[0];
  }

  /** The one that answered last; the first before any has. */
  get good(): Server {
    return this.#good;
  }

  remember(server: Server): void {
    this.#good = server;
  }

  /** Whom to ask, one after the other, the good one first; those known to be down only when none is left, who then refuse at once. */
  toAsk({ counting, insists }: { counting: boolean; insists: boolean }): readonly Server[] {
    const ordered = [this.#good, ...this.all.filter((server) => server !== this.#good)];
    if (insists) return ordered;
    const admitting = ordered.filter((server) => server.breaker.admits(counting));
    return admitting.length > 0 ? admitting : [this.#good];
  }

  close(): void {
    for (const server of this.all) server.close();
  }
}
