import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { LeaderLock } from '@sluice/database';
import { Clock, CONFIG, type Config } from '@sluice/kernel';
import { messageOf } from '../faults';
import { Installation } from '../installation';
import { Reconciler } from './reconciler';

const EVERY_MS = 5_000;
/** Any number nobody else in the control database uses. */
const LEADER_KEY = 7_305_002;

/** Runs the reconciler every 5 s while the application runs, in one process of all that share the control database. */
@Injectable()
export class ReconcilerTimer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(ReconcilerTimer.name);
  private readonly stop = new AbortController();
  private readonly leadership: LeaderLock;
  private loop: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly clock: Clock,
    private readonly reconciler: Reconciler,
    private readonly installation: Installation,
  ) {
    this.leadership = new LeaderLock(config.DATABASE_URL.reveal(), LEADER_KEY);
  }

  onApplicationBootstrap(): void {
    this.loop = this.turn();
  }

  /** Ends the pass under way and waits for it, one call to Prefect at most, so that nothing uses the database after it is closed. */
  async onModuleDestroy(): Promise<void> {
    this.stop.abort();
    await this.loop;
    await this.leadership.release();
  }

  private async turn(): Promise<void> {
    while (!this.stop.signal.aborted) {
      await this.pass();
      await this.clock.sleep(EVERY_MS, this.stop.signal).catch(() => undefined);
    }
  }

  private async pass(): Promise<void> {
    try {
      await this.installation.recall();
      if (await this.leadership.hold()) await this.reconciler.runOnce(this.stop.signal);
    } catch (error) {
      this.logger.warn(`Reconciler: ${messageOf(error)}`);
    }
  }
}
