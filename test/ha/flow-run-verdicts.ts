/** What a verdict looks at of a flow run, in Prefect's words. */
export interface SeenFlowRun {
  id: string;
  state_type: string;
  state_name: string;
  idempotency_key: string | null;
  /** When it was RUNNING for the first time. Where it ended without that, Prefect puts the time of its end. */
  start_time: string | null;
  end_time: string | null;
  /** How often it was RUNNING. */
  run_count: number;
  parameters: Record<string, string>;
}

/** What a verdict looks at of a run, in Sluice's words. */
export interface SeenRun {
  id: string;
  flow_run_id: string | null;
  status: string;
  /** `null`: it never loaded. */
  started_at: unknown;
}

/** All that end well are COMPLETED; the name says how well. */
const COMPLETED: Readonly<Record<string, string>> = { success: 'Completed', partial: 'Partial', skipped: 'Skipped' };

/** Whether a run says what its flow run says. `undefined`: Prefect has no such flow run. */
export function agree(run: SeenRun, flowRun: SeenFlowRun | undefined): boolean {
  const { status } = run;
  if (flowRun?.state_type === 'CANCELLED' && wasRefused(run, flowRun)) return true;
  const name = COMPLETED[status];
  if (name === undefined) return flowRun?.state_type === status.toUpperCase();
  return flowRun?.state_type === 'COMPLETED' && flowRun.state_name === name;
}

/** A line for each run whose flow run says something else, or is not there. */
export function differences(runs: readonly SeenRun[], flowRuns: readonly SeenFlowRun[]): string[] {
  const byId = new Map(flowRuns.map((flowRun) => [flowRun.id, flowRun]));
  return runs.flatMap((run) => {
    const flowRun = byId.get(run.flow_run_id ?? '');
    return agree(run, flowRun)
      ? []
      : [`run ${run.id} is ${run.status}, flow run ${flowRun ? told(flowRun) : 'missing'}`];
  });
}

/** A trigger that was answered with 503: here it has failed, and what Prefect got of it nevertheless is cancelled before it runs. */
function wasRefused({ status, started_at }: SeenRun, flowRun: SeenFlowRun): boolean {
  return status === 'failed' && started_at === null && neverRan(flowRun);
}

function neverRan({ run_count, start_time, end_time }: SeenFlowRun): boolean {
  return run_count === 0 && (start_time === null || start_time === end_time);
}

export interface Executions {
  /** Runs whose first flow run crashed before its process came, so that a second one was made in its place. */
  instead: string[];
  /** A line for each run that has none, or more than it may have. */
  wrong: string[];
}

/** How often each trigger was handed to Prefect. `runs`: all of the same ingestions, whoever made them. */
export function executions(
  accepted: readonly string[],
  runs: readonly SeenRun[],
  flowRuns: readonly SeenFlowRun[],
): Executions {
  const found: Executions = { instead: [], wrong: [] };
  for (const id of accepted) {
    const its = flowRuns.filter(({ parameters }) => parameters['run_id'] === id);
    if (isSecondInstead(id, its, runs)) found.instead.push(id);
    else if (its.length !== 1 || its[0]?.idempotency_key !== `run:${id}`)
      found.wrong.push(`run ${id} has ${its.length} flow runs: ${its.map(told).join(', ') || 'none'}`);
  }
  return found;
}

/** One flow run that crashed and never ran, for which there is no row, and one in its place that has the run. */
function isSecondInstead(id: string, its: readonly SeenFlowRun[], runs: readonly SeenRun[]): boolean {
  const [first, second] = [`run:${id}`, `run:${id}:2`].map((key) => its.find((it) => it.idempotency_key === key));
  if (its.length !== 2 || !first || !second) return false;
  const gaveUp = first.state_type === 'CRASHED' && neverRan(first);
  const hasRow = runs.some((run) => run.flow_run_id === first.id);
  const owner = runs.find((run) => run.id === id)?.flow_run_id;
  return gaveUp && !hasRow && owner === second.id;
}

function told({ id, idempotency_key, state_type, state_name, run_count }: SeenFlowRun): string {
  return `${id} (${idempotency_key ?? 'no key'}) ${state_type} "${state_name}", ran ${run_count} times`;
}
