import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

type Command = 'open' | 'shut' | 'cut' | 'deafen';

/** Longer than a connection on loopback ever takes to be made. */
const NOT_TAKEN_MS = 1_000;

/** The network between a client and a server on this machine, which tests can break; see `gate-process.mjs`. */
export class Gate {
  #fillers: Socket[] = [];

  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
  ) {}

  static async before(target: number): Promise<Gate> {
    const process = fork(join(__dirname, 'gate-process.mjs'), { execArgv: [] });
    return new Gate(process, await ask(process, { command: 'open', target }));
  }

  async tell(command: Command): Promise<void> {
    await ask(this.process, { command });
  }

  /** No connection is there, and none can be made: packets to it seem to be dropped. */
  async swallowConnections(): Promise<void> {
    await this.tell('cut');
    this.process.kill('SIGSTOP');
    while (await this.#takesOneMore());
  }

  async takeConnections(): Promise<void> {
    for (const socket of this.#fillers.splice(0)) socket.destroy();
    this.process.kill('SIGCONT');
    await this.tell('cut');
  }

  async close(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGCONT');
    this.process.disconnect();
    await ended;
  }

  async #takesOneMore(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1').on('error', () => undefined);
    this.#fillers.push(socket);
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), NOT_TAKEN_MS));
    return Promise.race([once(socket, 'connect').then(() => true), late]);
  }
}

async function ask(process: ChildProcess, message: { command: Command; target?: number }): Promise<number> {
  const answer = once(process, 'message') as Promise<[{ port: number }]>;
  process.send(message);
  return (await answer)[0].port;
}
