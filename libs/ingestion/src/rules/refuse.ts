import { ValueError } from '@sluice/kernel';

/** Throws the `ValueError` of a field: which one, what it holds, what is wrong and what to write instead. Not for secrets. */
export function refuse(path: string, value: unknown, problem: string, remedy: string): never {
  throw new ValueError(`${path} ${shown(value)} ${problem}. ${remedy}`, path);
}

/** The value, if it is one of those available now; `fallback` when it is left out. */
export function oneOf<Value extends string>(
  path: string,
  value: string | undefined,
  available: readonly Value[],
  fallback?: Value,
): Value {
  if (value === undefined && fallback !== undefined) return fallback;
  const found = available.find((one) => one === value);
  return found ?? refuse(path, value, 'is not available', `Available now: ${available.join(', ')}.`);
}

/** A whole number from `min` to `max`; `fallback` when it is left out or null. */
export function wholeNumber(
  path: string,
  value: number | null | undefined,
  { min, max, fallback }: { min: number; max: number; fallback: number },
): number {
  if (value === undefined || value === null) return fallback;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(path, value, 'is out of range', `Give a whole number from ${min} to ${max}.`);
}

/** True or false; `fallback` when it is left out. */
export function flag(path: string, value: boolean | undefined, remedy: string, fallback = false): boolean {
  if (value === undefined) return fallback;
  return typeof value === 'boolean' ? value : refuse(path, value, 'is neither true nor false', remedy);
}

/** Refuses fields that nobody would read. `path` is empty for the body itself. */
export function onlyKnown(path: string, value: object, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const remedy = known.length > 0 ? `Known here: ${known.join(', ')}.` : 'Leave it out.';
  const full = path === '' ? unknown : `${path}.${unknown}`;
  throw new ValueError(`${full} is not a known field. ${remedy}`, full);
}

export function shown(value: unknown): string {
  if (value === undefined) return '(left out)';
  const text = JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
