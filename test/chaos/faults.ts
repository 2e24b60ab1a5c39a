import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Child, Ending, Runners } from './child';
import type { Random } from './random';
import type { Stage } from './stage';
import { everybody, type Step, stepOf, untilStep, untilWaiting } from './steps';
import type { Totals } from './totals';

export interface Scene {
  stage: Stage;
  runners: Runners;
  random: Random;
  totals: Totals;
  ingestionId: string;
}

export const FAULTS = { kill: 63, freeze: 17, double: 17, none: 3 } as const;
export type Fault = keyof typeof FAULTS;

/** One or more runs of the ingestion, disturbed like this. None of them runs any more afterwards. */
export async function disturb(scene: Scene, fault: Fault): Promise<void> {
  if (fault === 'kill') await killOne(scene);
  else if (fault === 'freeze') await freezeOne(scene);
  else if (fault === 'double') await startSeveral(scene);
  else await undisturbed(scene);
}

/** A run that nobody disturbs. */
export async function undisturbed(scene: Scene): Promise<Ending> {
  const child = await begun(scene);
  return ended(scene, child);
}

async function begun({ runners, ingestionId }: Scene, flowRunId?: string): Promise<Child> {
  const child = runners.take();
  await child.go(ingestionId, flowRunId);
  return child;
}

async function ended({ stage, totals, ingestionId }: Scene, child: Child): Promise<Ending> {
  return child.end(async () => {
    totals.hung.push(`a run of ${ingestionId} (${child.runId ?? 'not entered'}): ${await everybody(stage)}`);
  });
}

async function killOne(scene: Scene): Promise<void> {
  const child = await begun(scene);
  await killAtSomeTime(scene, child);
  await ended(scene, child);
}

const AIMS = { anywhere: 15, transaction: 15, copy: 30, merge: 10, ledger: 15, commit: 15 } as const;
const AT = {
  transaction: ({ open }: Step) => open,
  copy: ({ name }: Step) => name === 'COPY',
  // Who only appends has none, and is killed at the ledger.
  merge: ({ name }: Step) => name === 'the merge' || name === 'the swap' || name === 'the ledger',
};
const ANYWHERE_MS = 500;
const LATER_MS = 30;
const COMMIT_MS = 4;

async function killAtSomeTime(scene: Scene, child: Child): Promise<void> {
  const { random, stage } = scene;
  const aim = random.weighted(AIMS);
  const later = random.chance(0.5) ? random.between(0, LATER_MS) : 0;
  const soon = random.between(0, COMMIT_MS);
  if (aim === 'ledger') return holdingLedger(scene, child, () => kill(scene, child));
  if (aim === 'commit') {
    await holdingLedger(scene, child, () => Promise.resolve());
    await pause(soon);
  } else if (aim === 'anywhere') await pause(random.between(0, ANYWHERE_MS));
  else if (await untilStep(stage.destination, child, AT[aim])) await pause(later);
  await kill(scene, child);
}

/** Whoever wants to write the ledger waits, and then `work` is done; at once when nobody comes. */
async function holdingLedger({ stage }: Scene, child: Child, work: () => Promise<void>): Promise<void> {
  const { rows } = await stage.destination.query<{ oid: string | null }>("SELECT to_regclass('sluice.ledger') AS oid");
  if (rows[0]?.oid == null) return work();
  await stage.locker.query('BEGIN; LOCK TABLE sluice.ledger IN SHARE MODE');
  try {
    await untilWaiting(stage.destination, child);
    await work();
  } finally {
    await stage.locker.query('ROLLBACK');
  }
}

/** Stopped first, so that where it stands is looked up while it stands there. Whoever has ended is not killed. */
async function kill({ stage, totals }: Scene, child: Child): Promise<void> {
  if (!child.running) return;
  child.stop();
  totals.killed(await stepOf(stage.destination, child));
  await child.kill();
}

/** One run is frozen for longer than its lease, another takes over, and the first wakes up while that one runs or afterwards. */
async function freezeOne(scene: Scene): Promise<void> {
  const { random, totals } = scene;
  const frozen = await begun(scene);
  await freeze(scene, frozen);
  if (!frozen.running) return void (await ended(scene, frozen));
  const beyondLease = await leaseRanOut(scene, frozen);
  const second = await begun(scene);
  // Without a lease nobody may take over, and others may have to wait for what it is doing.
  const wakesEarly = random.chance(0.4) || !beyondLease;
  if (wakesEarly) await pause(random.between(0, ANYWHERE_MS));
  if (wakesEarly) frozen.proceed();
  if (random.chance(0.25)) await killAtSomeTime(scene, second);
  await ended(scene, second);
  frozen.proceed();
  const ending = await ended(scene, frozen);
  if (beyondLease) totals.woke(ending);
}

async function freeze({ random, stage }: Scene, child: Child): Promise<void> {
  const later = random.between(0, LATER_MS);
  if (random.chance(0.2)) await pause(random.between(0, ANYWHERE_MS));
  else if (await untilStep(stage.destination, child, ({ open }) => open)) await pause(later);
  child.stop();
}

/** Waits until the lease of a frozen run has run out, by the database's clock. False: it did not have one. */
async function leaseRanOut({ stage, ingestionId }: Scene, frozen: Child): Promise<boolean> {
  const there = "SELECT 1 FROM pg_class WHERE oid = to_regclass('sluice.lease')";
  if ((await stage.destination.query(there)).rowCount === 0) return false;
  const statement = 'SELECT expires_at < clock_timestamp() AS over FROM sluice.lease WHERE ingestion = $1 AND run = $2';
  for (;;) {
    const { rows } = await stage.destination.query<{ over: boolean }>(statement, [ingestionId, frozen.runId]);
    if (rows[0]?.over !== false) return rows[0] !== undefined;
    await pause(20);
  }
}

/** Two or three at once: one flow run started more than once, or several flow runs. One of them may be killed. */
async function startSeveral(scene: Scene): Promise<void> {
  const { random, totals, runners, ingestionId } = scene;
  const same = random.chance(0.4) ? randomUUID() : undefined;
  const children = Array.from({ length: random.between(2, 3) }, () => runners.take());
  const victim = random.chance(0.3) ? children[0] : undefined;
  await Promise.all(children.map((child) => child.go(ingestionId, same)));
  totals.doubles++;
  if (victim !== undefined) await killAtSomeTime(scene, victim);
  await Promise.all(children.map((child) => ended(scene, child)));
}
