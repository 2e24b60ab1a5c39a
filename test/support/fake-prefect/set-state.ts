import { z } from 'zod';
import { parse, type Reply } from './reply';
import { enterState, newState, type FakeFlowRun, type FakeState, type StateType } from './state';

const TYPES = [
  ...(['SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING'] as const),
  ...(['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'] as const),
] as const satisfies readonly StateType[];
const TERMINAL: readonly StateType[] = ['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'];
const NOT_AGAIN: readonly StateType[] = ['PENDING', 'CANCELLING', 'RUNNING', 'CANCELLED'];

const proposal = z.object({
  state: z.object({
    type: z.enum(TYPES),
    name: z.string().nullish(),
    message: z.string().nullish(),
    state_details: z.object({ transition_id: z.uuid().nullish(), scheduled_time: z.string().nullish() }).nullish(),
  }),
});

type Verdict = { status: 'ACCEPT' | 'REJECT' | 'ABORT' | 'WAIT'; state: FakeState; details: object };
type Rule = (run: FakeFlowRun, proposed: FakeState) => Verdict | null;

/** 200 or 201 whatever happens; the truth is `status`. */
export function setState(run: FakeFlowRun, body: unknown): Reply {
  const proposed = proposedState(body);
  const verdict = RULES.map((rule) => rule(run, proposed)).find((answer) => answer !== null) ?? accept(run, proposed);
  return { status: verdict.status === 'ACCEPT' ? 201 : 200, body: verdict };
}

function proposedState(body: unknown): FakeState {
  const { state } = parse(proposal, body);
  const details = {
    transition_id: state.state_details?.transition_id ?? null,
    scheduled_time: state.state_details?.scheduled_time ?? null,
  };
  const name = state.name ? { name: state.name } : {};
  return newState(state.type, { ...name, message: state.message ?? null, state_details: details });
}

function accept(run: FakeFlowRun, proposed: FakeState): Verdict {
  if (run.state_type === 'SCHEDULED' && proposed.type === 'PENDING')
    proposed.state_details.scheduled_time ??= run.state.state_details.scheduled_time;
  enterState(run, proposed);
  return { status: 'ACCEPT', state: proposed, details: { type: 'accept_details' } };
}

const rejected = (state: FakeState, reason: string): Verdict => ({
  status: 'REJECT',
  state,
  details: { type: 'reject_details', reason },
});
const aborted = (state: FakeState, reason: string): Verdict => ({
  status: 'ABORT',
  state,
  details: { type: 'abort_details', reason },
});

/** In Prefect's order; the first that speaks decides. */
const RULES: readonly Rule[] = [
  function duplicate(run, proposed) {
    const id = proposed.state_details.transition_id;
    const same = id !== null && run.state.state_details.transition_id === id;
    return same ? rejected(run.state, 'This run has already made this state transition.') : null;
  },
  function terminal(run, proposed) {
    const ended = TERMINAL.includes(run.state_type);
    const refused = ended && ['CANCELLING', 'PAUSED', 'CRASHED'].includes(proposed.type);
    return refused ? aborted(run.state, `Run is already in terminal state ${run.state_type}.`) : null;
  },
  function cancelling(run, proposed) {
    const refused = run.state_type === 'CANCELLING' && proposed.type !== 'CANCELLED';
    return refused ? rejected(run.state, 'Cannot transition flows that are cancelling to another state.') : null;
  },
  function nothingToEnd(run, proposed) {
    if (run.state_type !== 'SCHEDULED' || proposed.type !== 'CANCELLING') return null;
    enterState(run, newState('CANCELLED'));
    return rejected(run.state, 'Scheduled flow run has no infrastructure to terminate.');
  },
  function claimed(run, proposed) {
    const refused = proposed.type === 'PENDING' && NOT_AGAIN.includes(run.state_type);
    return refused ? aborted(run.state, `This run is in a ${run.state_type} state.`) : null;
  },
  function tooEarly(run, proposed) {
    const due = run.state.state_details.scheduled_time;
    const waits = proposed.type === 'RUNNING' && ['SCHEDULED', 'PENDING'].includes(run.state_type) && due !== null;
    const seconds = waits ? Math.floor((Date.parse(due) - Date.now()) / 1000) : 0;
    if (seconds <= 0) return null;
    return { status: 'WAIT', state: run.state, details: { type: 'wait_details', delay_seconds: seconds } };
  },
  function retried(run, proposed) {
    const left = run.retries_left ?? 0;
    if (run.state_type !== 'RUNNING' || proposed.type !== 'FAILED' || left === 0) return null;
    run.retries_left = left - 1;
    const state_details = { transition_id: null, scheduled_time: new Date().toISOString() };
    enterState(run, newState('SCHEDULED', { name: 'AwaitingRetry', state_details }));
    return rejected(run.state, 'Retrying');
  },
];
