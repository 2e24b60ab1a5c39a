/**
 * The loading itself: `BatchOrchestrator.runIngestion()` discovers, plans, loads and commits. Only the flow-runner may reach it: what is
 * loaded is loaded by a flow run.
 */
export { BatchOrchestrator } from './batch-orchestrator';
export { BatchOrchestratorModule } from './batch-orchestrator.module';
export { RunStopped, type RunOutcome, type RunReporter, type RunRequest } from './run';
