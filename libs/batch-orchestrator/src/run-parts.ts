import type { Files, LoadSession } from '@sluice/connectors';
import type { RunRecorder } from '@sluice/ingestion';
import type { Loader } from './loading/loader';
import type { TableSchema } from './schema/table-schema';
import type { Tally } from './tally';
import type { BatchBudget } from './work';

/** What one attempt at a run works with. */
export interface RunParts {
  session: LoadSession;
  recorder: RunRecorder;
  files: Files;
  schema: TableSchema;
  loader: Loader;
  tally: Tally;
  budget: BatchBudget;
  signal: AbortSignal;
}
