import { setTimeout as pause } from 'node:timers/promises';
import { OrchestrationUnavailable } from '@sluice/kernel';
import type { OrchestrationGateway } from '@sluice/orchestration-gateway';

const WITHIN_MS = 15_000;

/** Until a probe has succeeded. Throws `OrchestrationUnavailable` when none does within 15 s. */
export async function untilUsable(gateway: OrchestrationGateway, signal: AbortSignal): Promise<void> {
  const end = Date.now() + WITHIN_MS;
  while (!gateway.initialized) {
    if (Date.now() > end || signal.aborted) throw unusable(gateway);
    await pause(50);
  }
}

function unusable(gateway: OrchestrationGateway): OrchestrationUnavailable {
  return new OrchestrationUnavailable(
    gateway.status().reason ?? 'not_initialized',
    `No probe succeeded within ${WITHIN_MS / 1_000} s. Is PREFECT_API_URL right, and does Prefect run?`,
  );
}
