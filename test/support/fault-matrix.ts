import dns from 'node:dns';
import type { FakePrefect, Misbehaviour, MisbehaviourOptions } from './fake-prefect';
import type { Gate } from './gate';

/** A name that only this process can resolve, so that its resolution can be broken. */
export const HOST = 'prefect.sluice.test';

/** Routes of Prefect which use cases call and probes do not, so that the flag stays up and the real call meets the fault. */
const USED = /^\w+ \/(deployments\/(?!filter)|flow_runs)/;
/** Those of them that change something. */
const WRITES = /^((PATCH|DELETE) \/deployments|POST \/(deployments\/$|.*_deployment$|.*create_flow_run$|.*set_state$))/;

export const OPERATIONS = ['create', 'update', 'pause', 'resume', 'trigger', 'delete'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What stands between Sluice and its Prefect. */
export interface Network {
  fake: FakePrefect;
  gate: Gate;
  names: Names;
}

export interface Fault {
  title: string;
  /** The `reason` in a 503. */
  reason: string;
  begin(network: Network): Promise<void> | void;
  end(network: Network): Promise<void> | void;
  /** Where the answer is not the 503: its status, by operation. Deleting is always 204. */
  instead?: Partial<Record<Operation, number>>;
  /** The probe sees it too, and the calls come after it has. */
  seenByProbe?: boolean;
  /** The header of the 503, where Prefect said how long to wait. */
  retryAfter?: string;
}

const ALL_GO_ON: Fault['instead'] = { create: 201, update: 200, pause: 200, resume: 200, trigger: 202 };
/** What the caller sent is refused where he sent something; the rest is a mistake of ours. */
const REFUSED: Fault['instead'] = { create: 400, update: 400, pause: 500, resume: 500, trigger: 500 };

/** A Prefect that answers like this. */
function answers(
  title: string,
  kind: Misbehaviour,
  reason: string,
  more: Partial<Fault> & MisbehaviourOptions = {},
): Fault {
  const { route = USED, seconds, asDate, times, ...fault } = more;
  const options = { route, ...(seconds && { seconds }), ...(asDate && { asDate }), ...(times && { times }) };
  return {
    ...{ title, reason },
    begin: ({ fake }) => fake.misbehave(kind, options),
    end: ({ fake }) => fake.behave(),
    ...fault,
  };
}

const writes = { route: WRITES };
/** The answer to a creation is lost, not the deployment: it is found by its name. */
const found = { ...writes, instead: { create: 201 } };

export const FAULTS: readonly Fault[] = [
  {
    title: 'connections refused',
    reason: 'refused',
    begin: ({ gate }) => gate.tell('shut'),
    end: ({ gate }) => gate.tell('open'),
  },
  {
    title: 'name not resolved',
    reason: 'refused',
    begin: ({ gate, names }) => ((names.forgotten = true), gate.tell('cut')),
    end: ({ names }) => void (names.forgotten = false),
  },
  {
    title: 'connecting times out',
    reason: 'timeout',
    begin: ({ gate }) => gate.swallowConnections(),
    end: ({ gate }) => gate.takeConnections(),
  },
  {
    title: 'half-open connections',
    reason: 'timeout',
    begin: ({ gate }) => gate.tell('deafen'),
    end: ({ gate }) => gate.tell('cut'),
    instead: ALL_GO_ON,
  },
  answers('accepts and hangs', 'hang', 'timeout'),
  answers('hangs on writes', 'hang', 'timeout', writes),
  answers('slow body', 'slow_body', 'timeout'),
  answers('slow body of writes', 'slow_body', 'timeout', found),
  answers('reset in the middle', 'reset', 'reset'),
  answers('reset in the middle of writes', 'reset', 'reset', found),
  answers('answers of writes lost', 'lost_answer', 'reset', found),
  answers('500', 'http_500', 'http_5xx'),
  answers('502', 'http_502', 'http_5xx'),
  answers('503', 'http_503', 'http_5xx'),
  answers('504', 'http_504', 'http_5xx'),
  answers('503 once', 'http_503', 'http_5xx', { times: 1, instead: ALL_GO_ON }),
  answers('429, Retry-After 17', 'rate_limited', 'rate_limited', { seconds: 17, retryAfter: '17' }),
  answers('429, Retry-After a date', 'rate_limited', 'rate_limited', { seconds: 60, asDate: true }),
  answers('401', 'unauthorized', 'auth'),
  answers('403', 'forbidden', 'auth'),
  answers('403 CSRF, no token given', 'csrf', 'auth'),
  {
    title: '403 CSRF, tokens given',
    reason: 'auth',
    begin: ({ fake }) => void (fake.csrf.isOn = true),
    end: ({ fake }) => void (fake.csrf.isOn = false),
    instead: ALL_GO_ON,
  },
  answers('404 of another server', 'no_route', 'protocol'),
  // Prefect denies having what it has, and is believed: a deleted ingestion's deployment is then found only by comparing all there are.
  answers('404, all is gone', 'not_found', 'not_initialized'),
  answers('409', 'conflict', '', { ...writes, instead: REFUSED }),
  answers('409 of its database', 'lost_race', 'http_5xx', writes),
  answers('422', 'unprocessable', '', { ...writes, instead: REFUSED }),
  answers('200 with HTML', 'html', 'protocol'),
  answers('200 with cut JSON', 'cut_json', 'protocol'),
  answers('200 with cut JSON of writes', 'cut_json', 'protocol', found),
  answers('200 with a wrong shape', 'wrong_shape', 'protocol'),
  answers('200 with a wrong shape of writes', 'wrong_shape', 'protocol', writes),
  answers('400, API version too old', 'outdated', 'version'),
  {
    title: 'old version',
    reason: 'not_initialized',
    begin: ({ fake }) => void (fake.version = '2.20.0'),
    end: ({ fake }) => void (fake.version = '3.8.8'),
    seenByProbe: true,
  },
];

/** Resolves `HOST` to this machine, until it is told to forget it. */
export class Names {
  forgotten = false;
  readonly #lookup: jest.SpyInstance;

  constructor() {
    const real = dns.lookup.bind(dns) as (...args: unknown[]) => void;
    const broken = (host: string, ...rest: unknown[]): void => {
      if (host !== HOST) return real(host, ...rest);
      if (!this.forgotten) return real('127.0.0.1', ...rest);
      const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
      setImmediate(rest.at(-1) as (error: Error) => void, error);
    };
    this.#lookup = jest.spyOn(dns, 'lookup').mockImplementation(broken as never);
  }

  restore(): void {
    this.#lookup.mockRestore();
  }
}
