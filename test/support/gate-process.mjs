/**
 * A TCP gate before a server, in a process of its own so that it can be stopped in the middle (SIGSTOP): connections then hang, and new ones
 * are not taken once its short backlog is full. Commands come one after the other; each is answered.
 * `open`: listens (on the same port ever after) and passes on to `target`. `shut`: does not listen. `cut`: resets all connections.
 * `deafen`: those there are stay open and are never answered again; new ones are.
 */
import { connect, createServer } from 'node:net';

const BACKLOG = 1;
/** @type {Set<import('node:net').Socket>} */
const callers = new Set();
let target = 0;
let port = 0;

const server = createServer((caller) => {
  const behind = connect(target, '127.0.0.1');
  callers.add(caller);
  caller.on('close', () => callers.delete(caller));
  for (const [from, to] of /** @type {const} */ ([
    [caller, behind],
    [behind, caller],
  ])) {
    from.on('error', () => {});
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
});

const COMMANDS = {
  /** @param {{ target?: number }} message */
  open: (message) => {
    target = message.target ?? target;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, () => {
        port = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
        resolve(undefined);
      });
    });
  },
  shut: async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    COMMANDS.cut();
    await closed;
  },
  cut: () => {
    for (const caller of callers) caller.resetAndDestroy();
  },
  deafen: () => {
    for (const caller of callers) caller.unpipe().resume();
  },
};

process.on('message', async (/** @type {{ command: keyof typeof COMMANDS, target?: number }} */ message) => {
  await COMMANDS[message.command](message);
  process.send?.({ port });
});
process.once('disconnect', () => process.exit(0));
