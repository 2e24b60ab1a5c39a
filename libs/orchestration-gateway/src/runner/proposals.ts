import { randomUUID } from 'node:crypto';
import { OrchestrationUnavailable, type Clock } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import { unavailable } from '../prefect/failures';
import * as routes from '../prefect/routes';
import type { StateType, Verdict } from '../prefect/wire';

const AGAIN_MS = 1_000;
const MAX_MESSAGE = 8_000;

export interface Proposed {
  type: StateType;
  name?: string;
  message?: string;
  /** From when on a worker may take it. */
  scheduledTime?: Date;
}

/** A verdict, and whether the state that Prefect holds is the proposed one. */
export interface Answered extends Verdict {
  accepted: boolean;
}

/** Proposes states for one flow run, through outages. */
export class Proposals {
  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    private readonly flowRunId: string,
  ) {}

  /** Tries for `patienceMs`, always with the same transition id. Throws the last `OrchestrationUnavailable`. */
  async propose(proposed: Proposed, patienceMs: number): Promise<Answered> {
    const transitionId = randomUUID();
    const { scheduledTime, ...named } = proposed;
    const details = scheduledTime === undefined ? {} : { scheduled_time: scheduledTime.toISOString() };
    const state = { ...named, ...messageOf(named), state_details: { transition_id: transitionId, ...details } };
    const verdict = await this.patiently(() => this.prefect.find(routes.setState(this.flowRunId, state)), patienceMs);
    if (!verdict) throw unavailable('protocol', `flow run ${this.flowRunId} no longer exists in Prefect`);
    return { ...verdict, accepted: verdict.status === 'ACCEPT' || isOurs(verdict, transitionId) };
  }

  /** Repeats a call while Prefect is unavailable, for `patienceMs`. */
  async patiently<T>(call: () => Promise<T>, patienceMs: number): Promise<T> {
    const until = this.clock.elapsed() + patienceMs;
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof OrchestrationUnavailable) || this.clock.elapsed() >= until) throw error;
        await this.clock.sleep(AGAIN_MS);
      }
    }
  }
}

/** After a lost answer the repeated proposal is a REJECT that shows our own transition: it was accepted the first time. */
function isOurs(verdict: Verdict, transitionId: string): boolean {
  return verdict.status === 'REJECT' && verdict.state?.state_details.transition_id === transitionId;
}

function messageOf({ message }: Proposed): { message?: string } {
  return message === undefined ? {} : { message: message.replaceAll('\0', '').slice(0, MAX_MESSAGE) };
}
