import { type Config, SystemClock } from '@sluice/kernel';
import { FlowRunSession } from '@sluice/orchestration-gateway';
import { createClient } from '../../libs/orchestration-gateway/src/create-gateway';

/** The conversation of one flow run with Prefect, as its process has it; to be closed. */
export function sessionOf(config: Config, flowRunId: string): FlowRunSession {
  const clock = new SystemClock();
  return new FlowRunSession(createClient(config, clock), clock, flowRunId);
}
