/** An ingestion as far as clients may change it here. `null`: it does not exist (yet, or any more). */
export type State = Known | null;

interface Known {
  status: 'draft' | 'active' | 'paused';
  hour: string | null;
  rows: number | null;
}

export type Call =
  | { kind: 'create'; hour: string | null }
  | { kind: 'update'; hour?: string | null; rows?: number }
  | { kind: 'pause' | 'resume' | 'trigger' | 'delete' | 'get' };

/** What a call was answered. `refused`: 409 or 503, which say that nothing has changed. */
export type Outcome = { kind: 'refused' | 'no deployment' | 'missing' | 'done' } | { kind: 'shown'; state: State };

/** One call of one client on one ingestion; times from one clock. */
export interface Event {
  client: number;
  ingestion: string;
  call: Call;
  outcome: Outcome;
  from: number;
  until: number;
}

/** The state after the call, if it may be answered like this in this state; else `undefined`. */
export function after(state: State, { call, outcome }: Pick<Event, 'call' | 'outcome'>): State | undefined {
  if (outcome.kind === 'missing') return state === null ? state : undefined;
  const next = nextOf(state, call);
  if (next === undefined) return undefined;
  if (outcome.kind === 'no deployment') return call.kind === 'trigger' && state?.hour === null ? state : undefined;
  if (call.kind === 'trigger') return outcome.kind === 'done' && state?.hour !== null ? state : undefined;
  if (outcome.kind === 'done') return call.kind === 'delete' ? next : undefined;
  return outcome.kind === 'shown' && isSame(outcome.state, next) ? next : undefined;
}

function nextOf(state: State, call: Call): State | undefined {
  if (call.kind === 'create')
    return state === null
      ? { status: call.hour === null ? 'draft' : 'active', hour: call.hour, rows: null }
      : undefined;
  if (state === null) return undefined;
  switch (call.kind) {
    case 'update':
      return updated(state, call);
    case 'pause':
      return { ...state, status: 'paused' };
    case 'resume':
      return { ...state, status: state.hour === null ? 'draft' : 'active' };
    case 'delete':
      return null;
    default:
      return state;
  }
}

/** The first schedule makes a draft active, and none makes it a draft. */
function updated(state: Known, call: Call & { kind: 'update' }): Known {
  const { hour = state.hour, rows = state.rows } = call;
  if (state.hour === null && hour !== null)
    return { status: state.status === 'paused' ? 'paused' : 'active', hour, rows };
  if (state.hour !== null && hour === null) return { status: 'draft', hour, rows };
  return { ...state, hour, rows };
}

function isSame(one: State, other: State): boolean {
  return one?.status === other?.status && one?.hour === other?.hour && one?.rows === other?.rows;
}
