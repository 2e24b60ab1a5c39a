const WIDTH = 30;
const CLEAR = '\r\x1b[K';

export interface Far {
  done: number;
  total: number;
  failed: number;
}

/** A bar that moves at a terminal; elsewhere (a file, a pipe) a line for each step. */
export class Progress {
  constructor(private readonly out: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>) {}

  step(text: string, far: Far): void {
    if (this.out.isTTY) this.out.write(`${CLEAR}${bar(far)}`);
    else this.print(`${far.done}/${far.total} ${text}`);
  }

  /** The bar stays as it is. */
  end(): void {
    if (this.out.isTTY) this.out.write('\n');
  }

  print(line: string): void {
    this.out.write(`${line}\n`);
  }
}

export function bar({ done, total, failed }: Far): string {
  const filled = total === 0 ? WIDTH : Math.floor((WIDTH * done) / total);
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  return `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${done}/${total} (${percent} %)${failures}`;
}
