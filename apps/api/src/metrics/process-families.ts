import type { EventDelivery } from '@sluice/ingestion';
import type { CircuitStatus, OrchestrationStatus } from '@sluice/orchestration-gateway';
import { counter, type Family, gauge, type Sample } from './family';

/** What this process knows without asking anybody. */
export function processFamilies(
  { initialized, scheduler, workersOnline }: OrchestrationStatus,
  circuits: readonly CircuitStatus[],
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
    {
      ...{ name: 'sluice_orchestration_circuit', type: 'gauge', values: circuits.flatMap(samplesOf) },
      help: 'The circuit breaker before an address of Prefect: 1 for the state it is in, 0 for the others.',
    },
    gauge('sluice_workers_online', 'Workers of Prefect that take runs now.', workersOnline),
    counter('sluice_webhook_attempts_total', 'Attempts of this process to deliver an event.', [
      { labels: { outcome: 'delivered' }, value: delivered },
      { labels: { outcome: 'failed' }, value: failed },
    ]),
  ];
}

const STATES = ['closed', 'half_open', 'open'] as const satisfies CircuitStatus['state'][];

function samplesOf({ server, state }: CircuitStatus): Sample[] {
  return STATES.map((it) => ({ labels: { server, state: it }, value: Number(it === state) }));
}
