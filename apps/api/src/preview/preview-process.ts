import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface PreviewProcess {
  /** Taken apart by the shell. */
  command: string;
  cwd: string;
  /** All of its environment. */
  env: Record<string, string>;
  /** Written to its standard input; never on its command line, for it holds secrets. */
  input: string;
  /** Milliseconds it may live. */
  patienceMs: number;
  /** Bytes it may write. */
  maxBytes: number;
  signal: AbortSignal;
}

export interface PreviewEnd {
  /** The last whole line it wrote. */
  line: string | null;
  /** `ended`: by itself. */
  how: 'ended' | 'late' | 'too_much' | 'stopped';
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The end of what it wrote to standard error. */
  complaint: string;
}

const COMPLAINT_CHARACTERS = 4_000;

/**
 * Runs the process that looks at files, and ends it whatever happens: it has a process group of its own, which is killed with all that the
 * shell may have started. Never raises for what the process does.
 */
export async function runPreviewProcess(options: PreviewProcess): Promise<PreviewEnd> {
  const { command, cwd, env, input } = options;
  const child = spawn(`exec ${command}`, { cwd, env, shell: true, detached: true, stdio: 'pipe' });
  let how: PreviewEnd['how'] = 'ended';
  const end = (why: PreviewEnd['how']) => {
    if (how === 'ended') how = why;
    killGroup(child.pid);
  };
  const late = setTimeout(() => end('late'), options.patienceMs);
  const stop = () => end('stopped');
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  // A process that ends before it has read all says so by its exit code.
  child.stdin.on('error', () => undefined).end(input);
  const line = lastLine(child.stdout, options.maxBytes, () => end('too_much'));
  const complaint = tail(child.stderr);
  try {
    const { code, signal } = await exit(child);
    return { line: line(), how, code, signal, complaint: complaint() };
  } finally {
    clearTimeout(late);
    options.signal.removeEventListener('abort', stop);
    killGroup(child.pid);
  }
}

type Exit = Pick<PreviewEnd, 'code' | 'signal'>;

function exit(child: ReturnType<typeof spawn>): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Pieces are joined only where a line ends: a line may be long. */
function lastLine(stream: Readable, maxBytes: number, tooMuch: () => void): () => string | null {
  let [line, open, bytes] = [null as string | null, [] as string[], 0];
  stream.setEncoding('utf8').on('data', (text: string) => {
    bytes += Buffer.byteLength(text);
    if (bytes > maxBytes) return tooMuch();
    const end = text.lastIndexOf('\n');
    if (end === -1) return open.push(text);
    line = lastOf([...open, text.slice(0, end)].join(''));
    open = [text.slice(end + 1)];
  });
  return () => line;
}

function lastOf(lines: string): string {
  return lines.slice(lines.lastIndexOf('\n') + 1);
}

function tail(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => (text = `${text}${more}`.slice(-COMPLAINT_CHARACTERS)));
  return () => text;
}
