import { Injectable } from '@nestjs/common';
import { type SluiceStatistics, Statistics } from '@sluice/ingestion';

/** How long one reading answers, ms: several scrapers ask the database once. */
const GOOD_FOR_MS = 2_000;
/** How long a scrape waits for the database, ms. */
const PATIENCE_MS = 1_000;
/** When a question is given up and another one may be asked, ms: its connection may have been cut without a word. */
const GIVEN_UP_MS = 10_000;

/** The statistics for scrapes: one question at a time, however many scrapes there are and however long the database is silent. */
@Injectable()
export class StatisticsCache {
  private reading: Promise<SluiceStatistics | null> | undefined;

  constructor(private readonly statistics: Statistics) {}

  /** `null`: the database has not answered in time, or with an error. Never rejects. */
  async read(): Promise<SluiceStatistics | null> {
    this.reading ??= this.ask();
    return within(PATIENCE_MS, this.reading);
  }

  private ask(): Promise<SluiceStatistics | null> {
    const reading = this.statistics.read().catch(() => null);
    const asked = within(GIVEN_UP_MS, reading);
    void asked.then(() => setTimeout(() => (this.reading = undefined), GOOD_FOR_MS).unref());
    return asked;
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
