/** What every room may use: the domain's errors, the clock, secrets, the configuration. Imports nothing of ours. */
export {
  Conflict,
  DeploymentOfAnother,
  DestinationUnavailable,
  DomainError,
  ERROR_CODES,
  IngestionNotFound,
  NameTaken,
  ORCHESTRATION_REASONS,
  OrchestrationUnavailable,
  RunActive,
  RunNotFound,
  SchemaVersionNotFound,
  ValueError,
  type ErrorCode,
  type OrchestrationReason,
  type Retry,
} from './errors';
export { Clock, SystemClock } from './clock';
export { Secret } from './secret';
export { counted } from './wording';
export { CONFIG_NAMES, ConfigError, readConfig, type Config } from './config';
export { CONFIG, KernelModule } from './kernel.module';
