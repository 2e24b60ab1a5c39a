import { Injectable } from '@nestjs/common';
import { type FlowRunPhase, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import type { RunRow } from './run.entity';
import { moveRun, runError } from './run-moves';
import type { RunStatus } from '../types';

/** A heartbeat younger than this says that the process lives, whatever a worker that lost sight of it told Prefect. */
export const ALIVE_SECONDS = 20;

export type ActiveRun = Pick<RunRow, 'id' | 'flow_run_id' | 'heartbeat_at'> & { status: 'queued' | 'running' };

/** How Prefect ended a run whose own process has not said so. */
export interface FoundEnded {
  status: Extract<RunStatus, 'failed' | 'crashed' | 'cancelled'>;
  because: string;
}

/** Ends runs whose flow run has ended or vanished in Prefect, on its word. */
@Injectable()
export class RunSettlement {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** Asks Prefect. `null`: the flow run is still to come or under way. Errors: `OrchestrationUnavailable`. */
  async findEnded(flowRunId: string): Promise<FoundEnded | null> {
    const flowRun = await this.gateway.readFlowRun(flowRunId);
    return endOf(flowRun?.phase ?? null, flowRun?.message ?? null);
  }

  /** By compare-and-set: its process's own word or beat, or another flow run's, if it came meanwhile, stays. False then. */
  async settle(run: ActiveRun, end: FoundEnded): Promise<boolean> {
    const errors = [runError('FlowRunEnded', end.because, true)];
    return moveRun(this.dataSource, run.id, { from: run.status, to: end.status, errors, seen: run });
  }
}

export function endOf(phase: FlowRunPhase | null, message: string | null): FoundEnded | null {
  const said = message === null ? '' : ` Prefect says: ${message}`;
  switch (phase) {
    case null:
      return { status: 'crashed', because: 'Its flow run does not exist in Prefect any more.' };
    case 'completed':
      return { status: 'crashed', because: `Its flow run completed, but no process has reported a result.${said}` };
    case 'failed':
    case 'crashed':
    case 'cancelled':
      return { status: phase, because: `Its flow run ${ENDED_AS[phase]} before its process reported a result.${said}` };
    default:
      return null;
  }
}

const ENDED_AS = { failed: 'failed', crashed: 'crashed', cancelled: 'was cancelled' } as const;
