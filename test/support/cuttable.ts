import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server that can be cut: connections break and none is taken until it is mended. */
export class CuttableWay {
  private readonly sockets = new Set<Socket>();
  private readonly outsides = new Set<Socket>();
  private readonly server: Server;
  private mode: 'open' | 'refusing' | 'silent' = 'open';

  private constructor(private readonly target: { host: string; port: number }) {
    this.server = createServer((inside) => this.take(inside));
  }

  /** `url` of a database; resolves with the way and the URL that leads through it. */
  static async to(url: string): Promise<{ way: CuttableWay; url: string }> {
    const direct = new URL(url);
    const way = new CuttableWay({ host: direct.hostname, port: Number(direct.port) });
    await new Promise<void>((resolve) => way.server.listen(0, '127.0.0.1', resolve));
    const through = new URL(url);
    through.host = `127.0.0.1:${(way.server.address() as { port: number }).port}`;
    return { way, url: through.href };
  }

  /** Everybody is sent away at once. */
  cut(): void {
    this.mode = 'refusing';
    for (const socket of this.sockets) socket.destroy();
  }

  /** Nothing arrives any more, and nobody is told: as when a cable is pulled. */
  silence(): void {
    this.mode = 'silent';
    for (const socket of this.sockets) socket.pause();
  }

  /** While it is silent: the server has noticed (its TCP keepalive was not answered) and has closed its ends. Ours hear nothing of it. */
  forget(): void {
    for (const socket of this.outsides) {
      socket.removeAllListeners('close');
      this.sockets.delete(socket);
      socket.destroy();
    }
    this.outsides.clear();
  }

  /** New connections pass; silent ones stay silent. */
  mend(): void {
    this.mode = 'open';
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(inside: Socket): void {
    this.keep(inside);
    if (this.mode === 'refusing') inside.destroy();
    if (this.mode !== 'open') return;
    const outside = connect(this.target);
    this.keep(outside);
    this.outsides.add(outside);
    outside.on('close', () => this.outsides.delete(outside));
    this.join(inside, outside);
    this.join(outside, inside);
  }

  private join(from: Socket, to: Socket): void {
    from.on('data', (data) => to.write(data));
    from.on('close', () => to.destroy());
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}
