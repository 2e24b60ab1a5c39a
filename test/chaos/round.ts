import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { check, isRight, strangeRows, type Subject, type Verdict } from './checker';
import type { Runners } from './child';
import { disturb, FAULTS, type Scene, undisturbed } from './faults';
import { MODES, nameOf } from './modes';
import { Random } from './random';
import { SourceFolder } from './source-folder';
import type { Stage } from './stage';
import { untilNobody } from './steps';
import type { Totals } from './totals';

const FAULTS_IN_A_ROUND = { least: 5, most: 8 };

/** One ingestion from its first file: files come and change, runs are disturbed, one is not, and then the table is compared with the files. */
export async function playRound(
  number: number,
  seed: number,
  { stage, runners, totals }: { stage: Stage; runners: Runners; totals: Totals },
): Promise<Verdict> {
  const random = Random.of(seed, number);
  // All ways of writing come in turn.
  const mode = MODES[number % MODES.length] ?? random.pick(MODES);
  const [folder, table] = [join(stage.folder, `round-${number}`), `round_${number}`];
  await mkdir(folder);
  const source = new SourceFolder(folder, mode, random);
  const ingestionId = await stage.insertOrder({ folder, table, mode });
  const subject: Subject = { client: stage.destination, table, ingestionId, mode, files: source.files };
  const scene: Scene = { stage, runners, random, totals, ingestionId };
  const faults = await disturbedRuns(scene, subject, source);
  const verdict = await judged(scene, subject);
  verdict.faults.unshift(...faults);
  record(totals, `round ${number}, ${nameOf(mode)}`, verdict);
  totals.round(nameOf(mode));
  return verdict;
}

/** What was wrong in between, each thing with the fault it was first seen after. */
async function disturbedRuns(scene: Scene, subject: Subject, source: SourceFolder): Promise<string[]> {
  const { random, stage } = scene;
  const faults = new Map<string, string>();
  for (let i = random.between(FAULTS_IN_A_ROUND.least, FAULTS_IN_A_ROUND.most); i > 0; i--) {
    await source.pass();
    const fault = random.weighted(FAULTS);
    await disturb(scene, fault);
    await untilNobody(stage.destination);
    for (const strange of await strangeRows(subject))
      if (!faults.has(strange)) faults.set(strange, `after ${fault}: ${strange}`);
  }
  return [...faults.values()];
}

async function judged(scene: Scene, subject: Subject): Promise<Verdict> {
  const ending = await undisturbed(scene);
  const right = typeof ending === 'object' && ending.kind === 'ended' && ending.outcome?.status === 'success';
  const verdict = await check(subject);
  if (!right) verdict.faults.push(`the run that nobody disturbed ended so: ${JSON.stringify(ending)}`);
  return verdict;
}

const SHOWN_FAULTS = 3;

function record(totals: Totals, title: string, verdict: Verdict): void {
  totals.lost += verdict.lost;
  totals.doubled += verdict.doubled;
  if (isRight(verdict)) return;
  const shown = verdict.faults.slice(0, SHOWN_FAULTS).join('; ');
  totals.wrongRounds.push(`${title}: ${verdict.lost} rows lost, ${verdict.doubled} doubled; ${shown}`);
}
