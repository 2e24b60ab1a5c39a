import { OPERATIONS, type Operation } from './operations';
import { play, type Point, pointsOf, type Verdict } from './point';
import { openStage, type Stage } from './stage';

export interface SagaOptions {
  lanes: number;
  clock: 'moved' | 'real';
  /** Which operations; all by default. */
  only?: (operation: Operation) => boolean;
  /** Which points of an operation; all by default. */
  choose?: (points: Point[]) => Point[];
  /** Of a real Prefect. */
  prefectUrl?: string;
  print?: (line: string) => void;
}

/** Kills the API at the points of all operations, starts it again, and looks whether database and Prefect come to agree. */
export async function playSagas(options: SagaOptions): Promise<Verdict[]> {
  const { lanes, only = () => true, choose = (points) => points, prefectUrl } = options;
  const stages = await Promise.all(Array.from({ length: lanes }, () => openStage(prefectUrl)));
  try {
    const operations = OPERATIONS.filter(only).filter((it) => !it.trouble || prefectUrl === undefined);
    const points = await inLanes(stages, operations, async (stage, it) => choose(await pointsOf(stage, it)));
    return await inLanes(stages, points.flat(), (stage, point) => played(stage, point, options));
  } finally {
    await Promise.all(stages.map((stage) => stage.close()));
  }
}

async function played(stage: Stage, point: Point, { clock, print }: SagaOptions): Promise<Verdict> {
  const verdict = await play(stage, point, clock);
  print?.(lineOf(verdict));
  return verdict;
}

/** In the order of `items`, whoever did them. */
async function inLanes<T, R>(stages: Stage[], items: readonly T[], work: (stage: Stage, item: T) => Promise<R>) {
  const results: R[] = [];
  const waiting = [...items.entries()];
  const lane = async (stage: Stage) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await work(stage, next[1]);
  };
  await Promise.all(stages.map(lane));
  return results;
}

const WIDTHS = [28, 56, 42, 8];

function lineOf({ point, found, ms, wrong }: Verdict): string {
  const cells = [
    point.operation.title,
    `${point.when} ${point.call} ${point.name}`,
    found,
    `${(ms / 1000).toFixed(1)} s`,
  ];
  const line = cells.map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0)).join(' ');
  return wrong.length === 0 ? line : `${line} WRONG: ${wrong.join('; ')}`;
}

/** The fault-point table. */
export function tableOf(verdicts: readonly Verdict[]): string[] {
  const head = ['operation', 'killed', 'state found (*: database and Prefect differ)', 'agreed'];
  const slowest = Math.max(...verdicts.map((it) => it.ms));
  const wrong = verdicts.filter((it) => it.wrong.length > 0);
  return [
    head.map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0)).join(' '),
    ...verdicts.map(lineOf),
    `${verdicts.length} points, ${wrong.length} wrong; the slowest agreed ${(slowest / 1000).toFixed(1)} s after the new start`,
  ];
}
