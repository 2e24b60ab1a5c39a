import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import axios, { type AxiosInstance } from 'axios';
import type { Secret } from '@sluice/kernel';

/** The API version this library was written for. A server that asks for a later one refuses it; one that is older takes it, hence the look at its version. */
const API_VERSION = '0.8.4';
/** A first packet that is lost is sent again after 1 s. */
const CONNECT_MS = 1_500;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the base URL, with a leading slash; already encoded. */
  path: string;
  body?: unknown;
  /** Beside those every request has. */
  headers?: Record<string, string>;
}

export interface HttpAnswer {
  status: number;
  /** The header `Retry-After`, `null` when absent. */
  retryAfter: string | null;
  text: string;
}

/** Sends one request and reads the whole answer, whatever its status. Fails with the network's own errors or with the signal's reason. */
export interface Sender {
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): void;
}

/** An answer larger than the cap; nothing Prefect sends us comes near it. */
export class AnswerTooLarge extends Error {}

export class Transport implements Sender {
  readonly #agents: [http.Agent, https.Agent];
  readonly #axios: AxiosInstance;

  constructor(apiUrl: string, authString?: Secret) {
    this.#agents = [impatient(new http.Agent({ keepAlive: true })), impatient(new https.Agent({ keepAlive: true }))];
    this.#axios = axios.create({
      baseURL: apiUrl,
      headers: headersFor(authString),
      httpAgent: this.#agents[0],
      httpsAgent: this.#agents[1],
      // PREFECT_API_URL is where Prefect is. A proxy from the environment is meant for the internet: it cannot reach loopback or a
      // cluster's service names, and it would be shown the credentials.
      proxy: false,
      maxRedirects: 0,
      responseType: 'stream',
      validateStatus: () => true,
    });
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#exchange(request, signal);
    } catch (error) {
      if (signal.aborted) this.#dropIdle();
      throw error;
    }
  }

  async #exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { status, headers, data } = await this.#axios.request<Readable>({
      method: request.method,
      url: request.path,
      data: request.body === undefined ? undefined : JSON.stringify(request.body),
      ...(request.headers && { headers: request.headers }),
      signal,
    });
    const retryAfter: unknown = headers['retry-after'];
    return { status, retryAfter: typeof retryAfter === 'string' ? retryAfter : null, text: await textOf(data) };
  }

  /** Where one connection died in silence the idle ones may be dead too; the next attempt must not find that out again. */
  #dropIdle(): void {
    for (const agent of this.#agents)
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }
}

function headersFor(authString: Secret | undefined): Record<string, string> {
  const headers = { 'content-type': 'application/json', 'x-prefect-api-version': API_VERSION, 'user-agent': 'sluice' };
  if (!authString) return headers;
  return { ...headers, authorization: `Basic ${Buffer.from(authString.reveal()).toString('base64')}` };
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new AnswerTooLarge(`answer larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Gives up on a connection that is not made within `CONNECT_MS`: a host which drops packets would else use up the whole budget. */
function impatient<A extends http.Agent>(agent: A): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback);
    if (socket) limitConnecting(socket);
    return socket;
  };
  return agent;
}

function limitConnecting(socket: Duplex): void {
  const late = Object.assign(new Error('connecting took too long'), { code: 'ETIMEDOUT' });
  const timer = setTimeout(() => socket.destroy(late), CONNECT_MS);
  const stop = () => {
    clearTimeout(timer);
  };
  (socket as Socket).once('connect', stop).once('close', stop);
}
