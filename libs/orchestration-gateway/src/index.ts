/**
 * The only code that speaks to Prefect. Two faces:
 *
 * - `OrchestrationGateway` for the API: keeps the live `initialized` flag and the flow, pool and deployments as they should be.
 * - `FlowRunSession` for the flow-runner: the conversation of one flow run with Prefect.
 *
 * Every failure of a call is one `OrchestrationUnavailable(reason)`; what Prefect refuses because the caller's value is wrong
 * (409, 422) is a `ValueError`. A refusal of anything else is a mistake of ours and no domain error, so that it is seen.
 */
export { OrchestrationGateway } from './orchestration-gateway';
export { FlowRunSession } from './flow-run-session';
export { OrchestrationGatewayModule } from './orchestration-gateway.module';
export { SOME_STRANGERS } from './api/deployments';
export { deploymentName } from './names';
export { RefusedByPrefect } from './prefect/failures';
export type {
  CircuitStatus,
  Deployment,
  DeploymentSpec,
  Difference,
  FlowRun,
  FlowRunOutcome,
  FlowRunPhase,
  FlowRunRequest,
  HeldDeployment,
  LogLine,
  OrchestrationStatus,
  Timetable,
} from './types';
