import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** One question to a forked process that answers each. Raises what it answers as `error`, and lets it end. */
export async function ask<T>(child: ChildProcess, message: object): Promise<T> {
  const answered = once(child, 'message') as Promise<[T & { error?: string }]>;
  child.send(message);
  const [answer] = await answered;
  if (answer.error === undefined) return answer;
  child.disconnect();
  throw new Error(answer.error);
}
