import { Readable } from 'node:stream';
import type { FileInput } from '../formats/format-reader';
import type { Chunks } from './chunks';

/** One readable thing, from a way to get its bytes and a way to get them into a local file. */
export class Part implements FileInput {
  private local: Promise<string> | null = null;

  constructor(
    readonly path: string,
    readonly bytes: number,
    private readonly chunks: () => Chunks,
    private readonly makeLocal: (chunks: Chunks) => Promise<string>,
  ) {}

  open(): Readable {
    return Readable.from(this.chunks(), { highWaterMark: 1 });
  }

  localPath(): Promise<string> {
    this.local ??= this.makeLocal(this.chunks());
    return this.local;
  }
}
