import { Injectable, Logger } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { messageOf } from '../faults';
import { LoadedData } from '../loaded-data';
import type { RunRow } from './run.entity';
import { moveRun, runError } from './run-moves';

export type SilentRun = Pick<RunRow, 'id' | 'ingestion_id'> & {
  flow_run_id: string;
  status: 'queued' | 'running';
  heartbeat_at: Date;
};

const NEXT = 'What it has committed stays and counts once; the next run loads the rest.';

/**
 * Ends a run for its process, in three places and in this order:
 *
 * 1. Destination: the fence of the run is raised, so that a process which was only frozen commits nothing from here on. Out of reach, this is left
 *    out: the process then has its lease at most until it looks at its row (3 s), and what it commits is in the ledger once.
 * 2. Row: by compare-and-set on the heartbeat. A process that was heard of meanwhile keeps its run.
 * 3. Prefect. While it cannot be used, the flow run is left to `OrphanedFlowRuns`.
 */
@Injectable()
export class RunGivingUp {
  private readonly logger = new Logger(RunGivingUp.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly data: LoadedData,
  ) {}

  /** False: it is not ours to end any more. */
  async giveUp(run: SilentRun, status: 'crashed' | 'cancelled', because: string): Promise<boolean> {
    if (run.status === 'running') await this.fence(run);
    const errors = [runError(status === 'cancelled' ? 'Cancelled' : 'ProcessLost', `${because} ${NEXT}`, true)];
    const move = { from: run.status, to: status, errors, seen: run };
    if (!(await moveRun(this.dataSource, run.id, move))) return false;
    await this.tellPrefect(run, status, because);
    return true;
  }

  private async fence({ id, ingestion_id }: SilentRun): Promise<void> {
    await this.data.endRun(ingestion_id, id).catch((error: unknown) => {
      this.logger.warn(`Run ${id} could not be fenced off: ${messageOf(error)}`);
    });
  }

  private async tellPrefect({ id, flow_run_id }: SilentRun, status: 'crashed' | 'cancelled', because: string) {
    await this.gateway.endFlowRun(flow_run_id, status, because).catch((error: unknown) => {
      this.logger.warn(`Flow run ${flow_run_id} of run ${id} is still to be ended in Prefect: ${messageOf(error)}`);
    });
  }
}
