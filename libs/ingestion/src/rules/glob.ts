import { isAbsolute } from 'node:path';
import { refuse } from './refuse';

const PATH = 'source.file_pattern';
const MAX_LENGTH = 1024;
/** A file name has 255 characters at most. */
const NAME = 255;
/** In how many ways a pattern may match a name: more would hold up the process (100,000 take less than 0.1 s). */
const MAX_WAYS = 100_000;
const MAX_GLOBSTARS = 3;

/** A glob relative to the folder that matches any name within 0.1 s: it becomes a regular expression, and whoever waits for one waits for all. */
export function filePattern(pattern: string): string {
  if (pattern.trim() === '') refuse(PATH, pattern, 'is empty', 'Give a glob such as "*.csv".');
  if (pattern.length > MAX_LENGTH || pattern.includes('\0')) refuse(PATH, pattern, 'is no usable glob', 'Shorten it.');
  if (isAbsolute(pattern) || pattern.split(/[\\/]/).includes('..')) {
    refuse(PATH, pattern, 'leaves the folder', 'Give a glob relative to source.path, such as "2024/*.csv".');
  }
  assertQuick(pattern);
  return pattern;
}

function assertQuick(pattern: string): void {
  const plain = pattern.replace(/\\./g, '_');
  if (/[()]|[\]}]\+/.test(plain)) {
    refuse(
      PATH,
      pattern,
      'repeats a part or holds a group',
      'Use *, **, ?, [a-z] and {a,b}; write a bracket as "\\\\(".',
    );
  }
  const segments = plain.split('/');
  const globstars = segments.filter((segment) => segment === '**').length;
  if (globstars > MAX_GLOBSTARS) refuse(PATH, pattern, `holds ${globstars} "**"`, `At most ${MAX_GLOBSTARS}.`);
  if (ways(plain, segments) <= MAX_WAYS) return;
  const remedy = 'Use at most three * within one folder or file name, and fewer beside several {a,b}.';
  refuse(PATH, pattern, 'can match one name in too many ways', remedy);
}

/** Bounds in how many ways one path can match: the first `*` of a segment has no choice once the others have chosen. */
function ways(pattern: string, segments: readonly string[]): number {
  const choices = segments.map((segment) => (segment.match(/\*+/g)?.length ?? 0) - 1);
  const ofStars = choices.reduce((all, count) => all * combinations(count), 1);
  const [braces, commas] = [pattern.split('{').length - 1, pattern.split(',').length - 1];
  return ofStars * (commas + 1) ** braces;
}

/** So many places in a name, in order. */
function combinations(count: number): number {
  let product = 1;
  for (let one = 1; one <= count; one += 1) product *= NAME / one;
  return product;
}
