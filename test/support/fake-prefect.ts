import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { send, spoil, stopsEarly, type Misbehaviour, type MisbehaviourOptions } from './fake-prefect/misbehaviour';
import type { Reply } from './fake-prefect/reply';
import { answer } from './fake-prefect/routes';
import { CsrfProtection } from './fake-prefect/csrf';
import { FakeStore } from './fake-prefect/state';

export type { Misbehaviour, MisbehaviourOptions } from './fake-prefect/misbehaviour';
export { enterState, newState, type FakeDeployment, type FakeFlowRun } from './fake-prefect/state';

/**
 * A Prefect that is a real HTTP server on loopback: the routes Sluice uses, with the behaviour measured on the real one (the same contract
 * test runs against both), and misbehaviours that can be switched at run time. Its state (`deployments`, `flowRuns`, `requests`, ...) is
 * open to tests.
 */
export async function startFakePrefect(options: { authString?: string } = {}): Promise<FakePrefect> {
  const fake = new FakePrefect(options.authString ?? null);
  await fake.listen();
  return fake;
}

export class FakePrefect extends FakeStore {
  /** Off until `csrf.isOn` is set. */
  readonly csrf = new CsrfProtection();
  readonly #server: Server;
  #port = 0;
  #faults: { kind: Misbehaviour; options: MisbehaviourOptions; left: number }[] = [];

  constructor(private readonly authString: string | null) {
    super();
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  /** What `PREFECT_API_URL` should be; stays the same through `down`. */
  get apiUrl(): string {
    return `http://127.0.0.1:${this.#port}/api`;
  }

  /** From now on (before earlier faults). `down` is complete when this resolves. */
  async misbehave(kind: Misbehaviour, options: MisbehaviourOptions = {}): Promise<void> {
    this.#faults.unshift({ kind, options, left: options.times ?? Number.POSITIVE_INFINITY });
    if (kind === 'down' && !options.route) await this.#close();
  }

  /** Forgets all faults, and listens again on the same port. Requests that hang stay unanswered. */
  async behave(): Promise<void> {
    this.#faults = [];
    if (!this.#server.listening) await this.listen();
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.#close();
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const body = await read(request);
    const port = request.socket.remotePort;
    this.requests.push({ method, path: url.replace(/^\/api/, ''), body, headers, port });
    const fault = this.#faultFor(`${method} ${url.replace(/^\/api/, '')}`);
    const reply = fault && stopsEarly(fault.kind) ? { status: 200 } : this.#reply(request, body);
    if (fault) spoil(response, fault.kind, fault.options, reply);
    else send(response, reply);
  }

  #reply(request: IncomingMessage, body: unknown): Reply {
    const wanted = this.authString && `Basic ${Buffer.from(this.authString).toString('base64')}`;
    if (wanted && request.headers.authorization !== wanted)
      return { status: 401, body: { exception_message: 'Unauthorized' } };
    return this.csrf.refusal(request) ?? answer(this, request.method ?? '', request.url ?? '', body);
  }

  #faultFor(route: string): { kind: Misbehaviour; options: MisbehaviourOptions } | undefined {
    const fault = this.#faults.find(({ options, left }) => left > 0 && (options.route?.test(route) ?? true));
    if (fault) fault.left -= 1;
    return fault;
  }
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}
