import { BadFile } from '../errors';
import type { Chunks } from './chunks';

const MIB = 1024 * 1024;
/** Small files may be as repetitive as they like. */
const RATIO_FROM_BYTES = 64 * MIB;

export interface ExpansionLimits {
  /** Bytes of one file after expansion, at most; all members of an archive together. SLUICE_MAX_EXPANDED_BYTES. */
  expandedBytes: number;
  /** How many times larger expansion may make a file, counted from the first 64 MiB on. SLUICE_MAX_EXPANSION_RATIO. */
  ratio: number;
}

/** More bytes than `expandedBytes`: no sign that anything is wrong with the file. */
export class ExpandsTooFar extends BadFile {
  override readonly name = BadFile.name;
}

/** How far one file may expand, over all its parts. */
export class ExpansionBudget {
  private total = 0;

  constructor(
    private readonly path: string,
    private readonly rawBytes: number,
    private readonly limits: ExpansionLimits,
  ) {}

  /**
   * Counts the bytes of one part as they pass; raises `BadFile` (`limit`). `known` of them count at once. What is read a second time
   * counts only as far as it goes beyond the first.
   */
  meter(known = 0): (chunks: Chunks) => AsyncGenerator<Buffer> {
    let counted = known;
    this.add(known);
    const seen = (bytes: number): void => {
      if (bytes <= counted) return;
      this.add(bytes - counted);
      counted = bytes;
    };
    return (chunks) => metered(chunks, seen);
  }

  private add(bytes: number): void {
    this.total += bytes;
    const { expandedBytes, ratio } = this.limits;
    if (this.total > expandedBytes)
      throw new ExpandsTooFar(
        'limit',
        this.tooLarge(`expands to more than ${sizeText(expandedBytes)}`, 'SLUICE_MAX_EXPANDED_BYTES'),
      );
    if (this.total > RATIO_FROM_BYTES && this.total > this.rawBytes * ratio)
      throw new BadFile(
        'limit',
        this.tooLarge(
          `expands to more than ${ratio} times its ${sizeText(this.rawBytes)}`,
          'SLUICE_MAX_EXPANSION_RATIO',
        ),
      );
  }

  private tooLarge(what: string, setting: string): string {
    return `${this.path} ${what}. Split it, or raise ${setting} if you trust it.`;
  }
}

async function* metered(chunks: Chunks, seen: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    seen(bytes);
    yield chunk;
  }
}

function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} bytes`;
}
