import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { CONTROLS, type Control } from './control';

export interface ChaosOptions {
  /** The schedule of faults comes from it; when exactly a process is hit does not. */
  seed: number;
  /** What must be reached before it ends by itself. */
  kills: number;
  stops: number;
  doubles: number;
  /** After so long no round begins any more. */
  minutes: number;
  /** Rounds at the same time. */
  lanes: number;
  control: Control | null;
}

const NUMBERS = { kills: 200, stops: 50, doubles: 50, minutes: 10, lanes: 3 };

/** `--seed N --kills N --stops N --doubles N --minutes N --lanes N --control ledger-after-commit`. Throws a sentence for anything else. */
export function readOptions(args: string[]): ChaosOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: { seed: text, kills: text, stops: text, doubles: text, minutes: text, lanes: text, control: text },
  });
  const number = (name: keyof typeof NUMBERS | 'seed', otherwise: number) =>
    wholeNumber(name, values[name] ?? String(otherwise));
  return {
    seed: number('seed', randomInt(1, 2 ** 31)),
    kills: number('kills', NUMBERS.kills),
    stops: number('stops', NUMBERS.stops),
    doubles: number('doubles', NUMBERS.doubles),
    minutes: number('minutes', NUMBERS.minutes),
    lanes: number('lanes', NUMBERS.lanes),
    control: control(values.control),
  };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} ${text}: must be a whole number.`);
}

function control(name: string | undefined): Control | null {
  if (name === undefined) return null;
  const found = CONTROLS.find((known) => known === name);
  if (found !== undefined) return found;
  throw new Error(`--control ${name}: there is no such variant. There is ${CONTROLS.join(', ')}.`);
}
