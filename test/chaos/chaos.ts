import { isRight } from './checker';
import { Runners } from './child';
import type { ChaosOptions } from './options';
import { playRound } from './round';
import { openStage } from './stage';
import { Totals } from './totals';

type Print = (line: string) => void;

/**
 * Plays rounds until enough was killed, stopped and started twice. Exit code 0: no row lost or doubled, nothing hung, all reached within the time,
 * and at least half of the kills hit an open transaction; with a control: at least one round was found wrong.
 */
export async function chaos(options: ChaosOptions, print: Print): Promise<number> {
  const totals = new Totals();
  const begun = Date.now();
  const deadline = begun + options.minutes * 60_000;
  const { seed, kills, stops, doubles, control } = options;
  print(
    `seed ${seed}: ${kills} kills, ${stops} stops, ${doubles} double starts${control ? `, control ${control}` : ''}`,
  );
  let next = 0;
  const broken: unknown[] = [];
  const goesOn = () => broken.length === 0 && Date.now() < deadline && !reached(totals, options);
  const lanes = Array.from({ length: options.lanes }, (_, index) =>
    playLane(index, options, { totals, goesOn, draw: () => next++, print }).catch((error: unknown) =>
      broken.push(error),
    ),
  );
  // The others finish their rounds: their databases must not go away under them.
  await Promise.all(lanes);
  if (broken.length > 0) throw broken[0] as Error;
  for (const line of totals.summary()) print(line);
  const seconds = Math.round((Date.now() - begun) / 1000);
  const [code, sentence] = judgement(totals, options);
  print(`${sentence} ${seconds} s, seed ${seed}.`);
  return code;
}

interface Play {
  totals: Totals;
  goesOn: () => boolean;
  draw: () => number;
  print: Print;
}

const SPARE_RUNNERS = 2;

async function playLane(index: number, options: ChaosOptions, { totals, goesOn, draw, print }: Play): Promise<void> {
  const stage = await openStage({ batchFiles: index + 1, control: options.control });
  const runners = new Runners(stage.env, SPARE_RUNNERS);
  try {
    while (goesOn()) {
      const verdict = await playRound(draw(), options.seed, { stage, runners, totals });
      print(
        `${isRight(verdict) ? 'right' : 'WRONG'}: round ${totals.rounds}; ${totals.kills} kills, ${totals.stops} stops, ${totals.doubles} double starts`,
      );
    }
  } finally {
    await runners.close();
    await stage.close();
  }
}

function reached(totals: Totals, { kills, stops, doubles }: ChaosOptions): boolean {
  return totals.kills >= kills && totals.stops >= stops && totals.doubles >= doubles;
}

function judgement(totals: Totals, options: ChaosOptions): [number, string] {
  const wrong = totals.wrongRounds.length;
  if (options.control !== null)
    return wrong > 0
      ? [0, `The control is wrong in ${wrong} of ${totals.rounds} rounds, as it must be.`]
      : [1, 'The control was not found wrong: these rounds prove nothing.'];
  if (wrong > 0 || totals.hung.length > 0) return [1, 'WRONG.'];
  if (!reached(totals, options)) return [1, 'Nothing was wrong, but the time was over before enough was tried.'];
  if (totals.killsInTransaction * 2 < totals.kills) return [1, 'Too few kills hit an open transaction.'];
  return [0, 'No row lost, no row doubled.'];
}
