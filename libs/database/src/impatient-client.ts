import { Client, type ClientConfig } from 'pg';

/** A pool's client whose question is without an answer for so long, ms, ends its connection: handed back, it would keep others waiting too. */
export function impatientClient(ms: number): typeof Client {
  return class extends Client {
    constructor(config?: string | ClientConfig) {
      super(config);
      const ask = this.query.bind(this) as (...given: unknown[]) => unknown;
      this.query = ((...given: unknown[]) => this.limited(ask(...given))) as Client['query'];
    }

    private limited(answer: unknown): unknown {
      if (!(answer instanceof Promise)) return answer;
      const silence = new Error(`Connection terminated: no answer for ${ms / 1_000} s`);
      const timer = setTimeout(() => this.connection.stream.destroy(silence), ms);
      return answer.finally(() => clearTimeout(timer));
    }
  };
}
