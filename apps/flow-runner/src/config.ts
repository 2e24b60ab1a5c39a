import { z } from 'zod';
import { ConfigError } from '@sluice/kernel';

/** The flow run this process executes; Prefect's worker sets it. */
export function readFlowRunId(env: Record<string, string | undefined>): string {
  const parsed = z.uuid().safeParse(env.PREFECT__FLOW_RUN_ID);
  if (parsed.success) return parsed.data;
  throw new ConfigError([
    'PREFECT__FLOW_RUN_ID: is not the id of a flow run; this program is started by a Prefect worker, not by hand',
  ]);
}
