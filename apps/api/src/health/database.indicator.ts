import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import { pendingMigrations } from '@sluice/database';
import { DataSource } from 'typeorm';

const TIMEOUT_MS = 2_000;

/** Whether the control database answers, and whether it has all migrations this program knows. */
@Injectable()
export class DatabaseIndicator {
  constructor(
    private readonly typeOrm: TypeOrmHealthIndicator,
    private readonly indicators: HealthIndicatorService,
    private readonly dataSource: DataSource,
  ) {}

  answers(): Promise<HealthIndicatorResult> {
    return this.typeOrm.pingCheck('database', { timeout: TIMEOUT_MS });
  }

  async isMigrated(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('migrations');
    try {
      const pending = await within(TIMEOUT_MS, pendingMigrations(this.dataSource));
      return pending.length === 0 ? indicator.up() : indicator.down({ pending });
    } catch {
      return indicator.down({ message: 'cannot be read' });
    }
  }
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
