// eslint-disable-next-line @typescript-eslint/triple-slash-reference -- the builds of the apps see only what is imported from their own folders.
/// <reference path="./zstd-codec.d.ts" />
import type { ZstdBinding, ZstdDecompressStream } from 'zstd-codec/lib/module.js';
import { BadData } from '../bad-data';

type NewStream = ZstdBinding['ZstdDecompressStreamBinding'];

/** Instances of the library that nobody uses. Each has 16 MiB of memory and never more: enough for one stream, so none is shared. */
const idle: NewStream[] = [];
const MAX_IDLE = 2;

/** The binding itself has a `then`, so no promise can hold it. */
async function newInstance(): Promise<NewStream> {
  const { run } = await import('zstd-codec/lib/module.js');
  return await new Promise((resolve) => run((binding) => resolve(binding.ZstdDecompressStreamBinding)));
}

/**
 * The reference implementation of zstd, compiled to WebAssembly: Node 20 has none of its own. Through its binding, since the library's
 * streams neither bound what one piece expands to nor free their memory. To be closed.
 */
export class ZstdDecoder {
  /** Expanded bytes waiting to be taken. */
  pending = 0;
  private ready: Buffer[] = [];
  private hasAborted = false;
  private readonly stream: ZstdDecompressStream;

  private constructor(private readonly instance: NewStream) {
    this.stream = new instance();
    this.stream.begin();
  }

  static async create(): Promise<ZstdDecoder> {
    return new ZstdDecoder(idle.pop() ?? (await newInstance()));
  }

  /** Expands a header, one block or a checksum, so at most 128 KiB come of it. Returns how many came. */
  push(bytes: Buffer): number {
    if (bytes.length === 0) return 0;
    const before = this.pending;
    if (!this.expand(bytes)) throw new BadData('it is broken, or its checksum is another');
    return this.pending - before;
  }

  take(): Buffer {
    const taken = Buffer.concat(this.ready, this.pending);
    this.ready = [];
    this.pending = 0;
    return taken;
  }

  close(): void {
    if (this.hasAborted) return;
    this.stream.delete();
    if (idle.length < MAX_IDLE) idle.push(this.instance);
  }

  private expand(bytes: Buffer): boolean {
    try {
      return this.stream.transform(bytes, (output) => {
        this.ready.push(Buffer.from(output));
        this.pending += output.length;
      });
    } catch (error) {
      // The library raises nothing unless its instance is lost.
      this.hasAborted = true;
      throw new BadData('the decoder gave it up', 'malformed', { cause: error });
    }
  }
}
