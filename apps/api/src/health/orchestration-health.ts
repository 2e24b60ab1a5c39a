import type { OrchestrationStatus } from '@sluice/orchestration-gateway';
import { OrchestrationStatusAnswer } from '../orchestration/orchestration.answers';
import { TransportError } from '../problem/fault';

/** Throws a 503 problem with the facts, unless Prefect is usable, its scheduler not dead and a worker online. */
export function orchestrationHealth(status: OrchestrationStatus): OrchestrationStatusAnswer {
  const faults = faultsOf(status);
  if (faults.length === 0) return OrchestrationStatusAnswer.of(status);
  throw new TransportError({ code: 'ORCHESTRATION_UNHEALTHY', detail: faults.join(' '), members: factsOf(status) });
}

function factsOf(status: OrchestrationStatus): Record<string, unknown> {
  return Object.fromEntries(Object.entries(OrchestrationStatusAnswer.of(status)));
}

function faultsOf({ initialized, reason, scheduler, workersOnline }: OrchestrationStatus): string[] {
  if (!initialized) return [`Prefect cannot be used (${reason ?? 'not_initialized'}).`];
  return [
    ...(scheduler === 'dead'
      ? ['Its scheduler plans no runs: timetables stand still. Restart its background services.']
      : []),
    ...(workersOnline === 0 ? ['No worker is online: runs wait. Start one for the work pool.'] : []),
  ];
}
