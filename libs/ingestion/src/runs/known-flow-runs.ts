import { Injectable } from '@nestjs/common';
import { patiently, rowsOf } from '@sluice/database';
import { Clock, IngestionNotFound, OrchestrationUnavailable } from '@sluice/kernel';
import { DataSource } from 'typeorm';
import { Agreement } from '../agreement';
import { SENTENCE } from '../faults';

/** Well within the claim it is done under, ms. */
const PATIENCE_MS = 5_000;

const REMEMBER = `
UPDATE sluice_control.run SET flow_run_id = $2 WHERE id = $1 RETURNING status = 'failed' AND started_at IS NULL AS never_runs`;

/** Writes down which flow run a run has got. */
@Injectable()
export class KnownFlowRuns {
  constructor(
    private readonly dataSource: DataSource,
    private readonly agreement: Agreement,
    private readonly clock: Clock,
  ) {}

  /**
   * From here on it runs; its process writes the same id when it enters. Unless somebody has ended it as never sent, because this process stood still
   * for so long: `OrchestrationUnavailable`. Also errors: `IngestionNotFound`, and that of a database that stays away for some seconds. After any of
   * them the flow run is the caller's to take back.
   */
  async remember(ingestionId: string, runId: string, flowRunId: string): Promise<void> {
    const write = () => rowsOf<{ never_runs: boolean }>(this.dataSource, REMEMBER, [runId, flowRunId]);
    const [row] = await patiently(this.clock, write, PATIENCE_MS);
    if (row?.never_runs) throw new OrchestrationUnavailable('timeout', SENTENCE.trigger);
    if (row) return;
    await this.agreement.yieldToDeletion(ingestionId);
    throw new IngestionNotFound(ingestionId);
  }
}
