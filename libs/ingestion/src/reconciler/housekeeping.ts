import { Injectable } from '@nestjs/common';
import { counted } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import type { ReconcilerStep } from './step';

const PER_PASS = 1_000;
/** How long an event can be looked up, whether it was delivered or not. */
const EVENT_DAYS = 30;

const KEYS = `
DELETE FROM sluice_control.idempotency_key WHERE (operation, key) IN (
  SELECT operation, key FROM sluice_control.idempotency_key
  WHERE expires_at < now() AND (held_until IS NULL OR held_until < now()) ORDER BY expires_at LIMIT $1)
RETURNING key`;

const EVENTS = `
DELETE FROM sluice_control.event WHERE id IN (
  SELECT id FROM sluice_control.event WHERE created_at < now() - make_interval(days => $2) ORDER BY created_at, id LIMIT $1)
RETURNING id`;

/** Rows whose time is over. */
@Injectable()
export class Housekeeping implements ReconcilerStep {
  readonly name = 'housekeeping';

  constructor(private readonly dataSource: DataSource) {}

  async run(): Promise<string[]> {
    const keys = await rowsOf(this.dataSource, KEYS, [PER_PASS]);
    const events = await rowsOf(this.dataSource, EVENTS, [PER_PASS, EVENT_DAYS]);
    return [
      ...(keys.length > 0 ? [`Forgot ${counted(keys.length, 'expired idempotency key')}`] : []),
      ...(events.length > 0 ? [`Forgot ${counted(events.length, 'event')} of more than ${EVENT_DAYS} days ago`] : []),
    ];
  }
}
