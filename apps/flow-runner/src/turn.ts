import { Injectable } from '@nestjs/common';
import { BatchOrchestrator, RunStopped } from '@sluice/batch-orchestrator';
import {
  lastSettled,
  missedAfter,
  RunQueue,
  SUPERSEDED,
  type TickCounter,
  timetableOf,
  type Turn,
} from '@sluice/ingestion';
import { Clock } from '@sluice/kernel';
import { type FlowRun, type FlowRunOutcome, FlowRunSession } from '@sluice/orchestration-gateway';

/** Between two looks whether it is our turn. */
const LOOK_MS = 500;
/** Between two heartbeats while Prefect is asked, which may take longer than a silent process is believed. */
const BEAT_MS = 5_000;
/** What a process waits itself before it gives the flow run back: a worker's slot is worth more than a few seconds. */
const PATIENCE_MS = 5_000;
/** A run that is replaced ends within 15 s. */
const REPLACE_PATIENCE_MS = 20_000;
/** Workers fetch runs up to 10 s ahead of their time, so another process looks again 10 to 20 s later. */
const GIVEN_BACK_SECONDS = 20;
/** The shortest time between two ticks: only what is later than this can have a successor that is due. */
const SHORTEST_INTERVAL_MS = 60_000;
const LONGEST_WAIT_MS = 60_000;

/** `load`: it is our turn. `over`: it ends without loading. `given-back`: Prefect starts another process for it later. */
export type Taken = { kind: 'load' } | { kind: 'given-back' } | { kind: 'over'; outcome: FlowRunOutcome; why: string };

/** What a run waits with. */
interface Waiter {
  runId: string;
  ingestionId: string;
  flowRun: FlowRun;
  signal: AbortSignal;
}

const LOAD: Taken = { kind: 'load' };
/** The destination cannot be asked who loads. */
const UNKNOWN = Symbol('unknown');
const over = (outcome: FlowRunOutcome, why: string): Taken => ({ kind: 'over', outcome, why });

/** Decides before a run begins whether it is its turn: what becomes of late ticks (`missed_runs`) and of runs that meet others (`overlap_policy`). */
@Injectable()
export class RunTurn {
  constructor(
    private readonly session: FlowRunSession,
    private readonly queue: RunQueue,
    private readonly orchestrator: BatchOrchestrator,
    private readonly clock: Clock,
  ) {}

  /** Workers start the processes of ticks a little ahead of their time. */
  async untilDue({ scheduledByTimetable, expectedStartAt }: FlowRun, signal: AbortSignal): Promise<void> {
    if (!scheduledByTimetable || !expectedStartAt) return;
    const ms = expectedStartAt.getTime() - this.clock.now().getTime();
    if (ms > 0 && ms < LONGEST_WAIT_MS) await this.clock.sleep(ms, signal).catch(() => undefined);
  }

  /** For a run whose row is queued. `signal` aborts with a `RunStopped`. */
  async take(waiter: Waiter): Promise<Taken> {
    const first = await this.queue.look(waiter.runId);
    if (first?.planned_at && first.place === null) {
      const late = await this.late(waiter, first, first.planned_at);
      if (late !== null) return late;
    }
    return this.wait(waiter);
  }

  private async late({ runId, flowRun }: Waiter, turn: Turn, tick: Date): Promise<Taken | null> {
    if (turn.schedule?.missed_runs !== 'none') return this.giveWay(runId, flowRun, turn, tick);
    const timetable = timetableOf(turn.schedule);
    if (timetable === null || turn.late_ms <= missedAfter(timetable, tick)) return null;
    const seconds = Math.round(turn.late_ms / 1000);
    return this.leave(runId, 'cancelled', 'missed', `missed: it came ${seconds} s after its time (missed_runs none)`);
  }

  /** The latest of all that are due is the one to run; those before it end, whichever of the processes is first. */
  private async giveWay(runId: string, flowRun: FlowRun, turn: Turn, tick: Date): Promise<Taken | null> {
    await this.queue.supersedeOlder(runId);
    const later =
      (await this.queue.hasLater(runId)) || (await this.beating(runId, this.hasLaterDue(runId, flowRun, turn, tick)));
    return later ? this.leave(runId, 'cancelled', 'superseded', SUPERSEDED) : null;
  }

  private async hasLaterDue(runId: string, { deploymentId }: FlowRun, turn: Turn, tick: Date): Promise<boolean> {
    if (deploymentId === null || turn.late_ms < SHORTEST_INTERVAL_MS) return false;
    if (await this.session.hasLaterTick(deploymentId, tick)) return true;
    const last = lastSettled(turn.schedule, tick, this.clock.now());
    return last !== null && (await this.isToBeStarted(runId, deploymentId, last));
  }

  /** Prefect never planned this one, but plans again: the reconciler starts it. While nothing is planned nobody does. */
  private async isToBeStarted(runId: string, deploymentId: string, later: Date): Promise<boolean> {
    if (!(await this.queue.hasUnseen(runId, later))) return false;
    const planned = await this.session.firstTick(deploymentId, later);
    return planned !== null && planned > this.clock.now();
  }

  /** The row's heart beats on while `asking` lasts. */
  private async beating<T>(runId: string, asking: Promise<T>): Promise<T> {
    const answered = new AbortController();
    const beats = this.beat(runId, answered.signal);
    try {
      return await asking;
    } finally {
      answered.abort();
      await beats;
    }
  }

  private async beat(runId: string, until: AbortSignal): Promise<void> {
    for (;;) {
      await this.clock.sleep(BEAT_MS, until).catch(() => undefined);
      if (until.aborted) return;
      await this.queue.look(runId).catch(() => undefined);
    }
  }

  private async wait(waiter: Waiter): Promise<Taken> {
    const since = this.clock.elapsed();
    for (;;) {
      if (waiter.signal.aborted) return this.stopped(waiter);
      const turn = await this.queue.look(waiter.runId);
      if (turn?.status !== 'queued') return ended(turn);
      const taken = await this.step(waiter, turn);
      if (taken !== null && taken !== UNKNOWN) return taken;
      const waited = this.clock.elapsed() - since;
      if (waited > patience(turn)) return taken === UNKNOWN ? this.unasked(waiter, turn) : this.giveBack(waiter, turn);
      await this.clock.sleep(LOOK_MS, waiter.signal).catch(() => undefined);
    }
  }

  /** `null`: not yet. */
  private async step(waiter: Waiter, turn: Turn): Promise<Taken | null | typeof UNKNOWN> {
    const { runId } = waiter;
    const stopped = turn.planned_at && stoppedBecause(turn.ingestion_status, turn.schedule);
    if (stopped) return this.leave(runId, 'cancelled', null, stopped);
    const holder = turn.ahead === null ? await this.holder(waiter) : null;
    if (holder === UNKNOWN) return UNKNOWN;
    const ahead = turn.ahead ?? (holder === runId ? null : holder);
    if (ahead === null) return (await this.queue.takeNext(runId)) ? LOAD : null;
    if (turn.place !== null || !(await this.queue.isActive(ahead))) return null;
    return this.overlap(waiter, turn, ahead);
  }

  /** Between two attempts a run has no lease: then its heart says that it is under way. */
  private async holder({ runId, ingestionId }: Waiter): Promise<string | null | typeof UNKNOWN> {
    const holder = await this.orchestrator.busyWith(ingestionId).catch((): typeof UNKNOWN => UNKNOWN);
    return holder ?? this.queue.livingBeside(runId);
  }

  /** Then our own rows count: with no other active run it begins, and says itself that the destination is away. */
  private async unasked(waiter: Waiter, turn: Turn): Promise<Taken> {
    if (await this.queue.hasOther(waiter.runId)) return this.giveBack(waiter, turn);
    return (await this.queue.takeNext(waiter.runId)) ? LOAD : this.giveBack(waiter, turn);
  }

  private async overlap(waiter: Waiter, turn: Turn, ahead: string): Promise<Taken | null> {
    const policy = turn.schedule?.overlap_policy ?? 'skip';
    if (policy === 'replace') await this.beating(waiter.runId, this.replace(waiter.runId));
    if (policy !== 'skip' && (await this.queue.takeWaiting(waiter.runId))) {
      this.session.log('info', `Run ${ahead} is active; this one waits for its end (overlap_policy ${policy}).`);
      return null;
    }
    return policy === 'replace' ? null : this.skip(waiter.runId);
  }

  private skip(runId: string): Promise<Taken> {
    const why = 'Another run of this ingestion is active; this one did nothing.';
    return this.leave(runId, 'skipped', 'overlap_skipped', why);
  }

  private async replace(runId: string): Promise<void> {
    for (const { id, flow_run_id } of await this.queue.replaceable(runId)) {
      if (flow_run_id !== null) await this.session.cancelOther(flow_run_id);
      await this.queue.replaced(id);
      this.session.log('info', `Run ${id} is ended: this one takes its place (overlap_policy replace).`);
    }
  }

  /** What waits for nothing but its turn is given back; a tick that would have been left out still is. */
  private giveBack({ runId }: Waiter, turn: Turn): Promise<Taken> {
    const skips = (turn.schedule?.overlap_policy ?? 'skip') === 'skip';
    return turn.place === null && skips ? this.skip(runId) : this.waitOn(runId);
  }

  /** In its place in the queue, until Prefect starts another process for it. */
  async waitOn(runId: string): Promise<Taken> {
    await this.queue.rest(runId);
    if (await this.session.giveBack(GIVEN_BACK_SECONDS, 'Waits for the active run of this ingestion.'))
      return { kind: 'given-back' };
    return this.leave(runId, 'cancelled', null, 'Cancelled while it waited; nothing was loaded.');
  }

  /** Cancelled, or its process is told to end: then another process waits on. */
  private async stopped(waiter: Waiter): Promise<Taken> {
    const reason: unknown = waiter.signal.reason;
    if (reason instanceof RunStopped && reason.outcome === 'crashed') {
      await this.queue.rest(waiter.runId);
      if (await this.session.giveBack(0, 'Its process was told to end while it waited.')) return { kind: 'given-back' };
    }
    return this.leave(waiter.runId, 'cancelled', null, 'Cancelled while it waited; nothing was loaded.');
  }

  private async leave(
    runId: string,
    outcome: 'skipped' | 'cancelled',
    counter: TickCounter | null,
    why: string,
  ): Promise<Taken> {
    const mine = await this.queue.leave(runId, outcome, counter, outcome === 'skipped' ? null : why);
    return mine ? over(outcome, why) : ended(await this.queue.look(runId));
  }
}

/** A row that somebody else has ended meanwhile, or that is gone. */
function ended(turn: Turn | null): Taken {
  if (turn === null) return over('cancelled', 'The ingestion was deleted while the run waited; nothing was loaded.');
  if (turn.status === 'running') return LOAD;
  const told = turn.status === 'crashed' ? 'crashed' : 'cancelled';
  return over(told, turn.because ?? `The run was ended (${turn.status}) before it began; nothing was loaded.`);
}

/** Why a tick of such an ingestion ends without loading; `null`: it loads. What was started by hand runs nevertheless. */
export function stoppedBecause(status: Turn['ingestion_status'], schedule: Turn['schedule']): string | null {
  if (status === 'paused' || status === 'error') return 'paused';
  const isPlanned = schedule !== null && schedule.frequency !== 'manual';
  return isPlanned ? null : 'The ingestion has no timetable; nothing was loaded.';
}

function patience({ schedule }: Turn): number {
  return schedule?.overlap_policy === 'replace' ? REPLACE_PATIENCE_MS : PATIENCE_MS;
}
