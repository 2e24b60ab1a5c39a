import type { EventDelivery } from '@sluice/ingestion';
import type { OrchestrationStatus } from '@sluice/orchestration-gateway';
import { counter, type Family, gauge } from './family';

/** What this process knows without asking anybody. */
export function processFamilies(
  { initialized, scheduler, workersOnline }: OrchestrationStatus,
  { delivered, failed }: EventDelivery['counts'],
): Family[] {
  const alive = scheduler === 'unknown' ? null : scheduler === 'alive';
  return [
    gauge('sluice_orchestration_initialized', 'Whether Prefect can be used.', initialized),
    gauge(
      'sluice_orchestration_scheduler_alive',
      'Whether timetables turn into runs; without a sample while that is not known.',
      alive,
    ),
    gauge('sluice_workers_online', 'Workers of Prefect that take runs now.', workersOnline),
    counter('sluice_webhook_attempts_total', 'Attempts of this process to deliver an event.', [
      { labels: { outcome: 'delivered' }, value: delivered },
      { labels: { outcome: 'failed' }, value: failed },
    ]),
  ];
}
