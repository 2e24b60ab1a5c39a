import { randomUUID } from 'node:crypto';
import { deploymentName, isOfAnother } from '../names';
import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';

/** Deleting a deployment leaves these behind, so they are cancelled first; what is only planned goes with it. */
const activeRunsOf = (deploymentId: string) => ({
  deployment_id: { any_: [deploymentId] },
  state: {
    operator: 'or_' as const,
    type: { any_: ['RUNNING' as const, 'PENDING' as const, 'PAUSED' as const] },
    name: { any_: ['AwaitingConcurrencySlot'] },
  },
});

/** Which deployment, and in whose name; `null`: nobody tells installations apart. */
export interface Removal {
  ingestionId: string;
  installation: string | null;
}

/** Cancels the active flow runs of a deployment, then deletes it. Repeatable: one that is gone is done, and so is one of another installation. */
export async function removeDeployment(
  prefect: PrefectClient,
  { ingestionId, installation }: Removal,
  signal?: AbortSignal,
): Promise<void> {
  const budget = prefect.budget(undefined, signal);
  const known = await prefect.find(routes.readDeploymentByName(deploymentName(ingestionId)), budget);
  if (!known || isOfAnother(known.tags, installation)) return;
  await cancelActiveRuns(prefect, known.id, budget);
  await prefect.find(routes.removeDeployment(known.id), budget);
}

/** A cancelled run leaves the filter, so asking again until nothing comes is the paging. */
async function cancelActiveRuns(prefect: PrefectClient, deploymentId: string, budget: Budget): Promise<void> {
  for (;;) {
    const active = await prefect.send(routes.filterFlowRuns(activeRunsOf(deploymentId)), budget);
    if (active.length === 0) return;
    for (const run of active) await prefect.find(routes.setState(run.id, cancelling()), budget);
  }
}

function cancelling() {
  return { type: 'CANCELLING' as const, state_details: { transition_id: randomUUID() } };
}
