import { after, type Event, type State } from './model';

/**
 * Whether all calls on each ingestion can be put into one order, each at a moment between its begin and its answer, in which every answer is right
 * (linearizability, after Wing and Gong). Resolves with a sentence for each ingestion whose history cannot.
 */
export function contradictions(history: readonly Event[]): string[] {
  const of = new Map<string, Event[]>();
  for (const event of history) of.set(event.ingestion, [...(of.get(event.ingestion) ?? []), event]);
  return [...of].flatMap(([id, events]) => {
    const stuck = stuckAt(events);
    return stuck === null ? [] : [`ingestion ${id}: no order explains ${stuck}`];
  });
}

interface Node {
  state: State;
  /** Of the events, by their begin; those from the first open one on. */
  open: readonly Event[];
}

/** `null`: an order was found. Else the calls which the longest attempt could not go on with. */
function stuckAt(all: readonly Event[]): string | null {
  const changing = all.filter((event) => event.outcome.kind !== 'refused');
  const events = [...changing].sort((one, other) => one.from - other.from);
  const number = new Map(events.map((event, index) => [event, index]));
  const seen = new Set<string>();
  const nodes: Node[] = [{ state: null, open: events }];
  let furthest: Node = { state: null, open: events };
  for (let node = nodes.pop(); node; node = nodes.pop()) {
    const { state, open } = withoutReads(node);
    if (open.length === 0) return null;
    if (open.length < furthest.open.length) furthest = { state, open };
    const key = keyOf({ state, open }, number);
    if (seen.has(key)) continue;
    seen.add(key);
    nodes.push(...next({ state, open }));
  }
  return told(furthest);
}

/** What may come first: whatever began before any other has been answered. */
function candidates(open: readonly Event[]): Event[] {
  let firstAnswer = Number.POSITIVE_INFINITY;
  const found: Event[] = [];
  for (const event of open) {
    if (event.from > firstAnswer) break;
    found.push(event);
    firstAnswer = Math.min(firstAnswer, event.until);
  }
  return found.filter((event) => event.from <= firstAnswer);
}

/** What changes nothing and is right now can come now: no later moment is better for it. */
function withoutReads({ state, open }: Node): Node {
  for (;;) {
    const idle = new Set(candidates(open).filter((event) => after(state, event) === state));
    if (idle.size === 0) return { state, open };
    open = open.filter((event) => !idle.has(event));
  }
}

function next({ state, open }: Node): Node[] {
  return candidates(open).flatMap((event) => {
    const state_ = after(state, event);
    return state_ === undefined ? [] : [{ state: state_, open: open.filter((it) => it !== event) }];
  });
}

/** Two attempts with the same calls done and the same state go on alike. */
function keyOf({ state, open }: Node, number: ReadonlyMap<Event, number>): string {
  const last = Math.max(...candidates(open).map((event) => number.get(event) ?? 0));
  const near = open.filter((event) => (number.get(event) ?? 0) <= last).map((event) => number.get(event));
  return JSON.stringify([state, open.length, near]);
}

function told({ state, open }: Node): string {
  const calls = candidates(open).map(
    ({ client, call, outcome }) => `client ${client} ${JSON.stringify(call)} -> ${JSON.stringify(outcome)}`,
  );
  return `${calls.join(', or ')} after ${JSON.stringify(state)}`;
}
