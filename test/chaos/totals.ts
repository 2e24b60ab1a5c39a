import type { Ending } from './child';
import type { Step } from './steps';

/** What was done and what was found. */
export class Totals {
  rounds = 0;
  kills = 0;
  killsInTransaction = 0;
  stops = 0;
  doubles = 0;
  lost = 0;
  doubled = 0;
  readonly hung: string[] = [];
  readonly wrongRounds: string[] = [];
  private readonly endings = new Map<string, number>();
  private readonly steps = new Map<string, number>();
  private readonly modes = new Map<string, number>();

  killed({ name, open }: Step): void {
    this.kills++;
    if (open) this.killsInTransaction++;
    this.steps.set(name, (this.steps.get(name) ?? 0) + 1);
  }

  /** A run that was stopped beyond its lease, that another has taken over meanwhile, and that went on. */
  woke(ending: Ending): void {
    this.stops++;
    const how = typeof ending === 'string' ? ending : ending.kind === 'fault' ? 'fault' : toldOf(ending.outcome);
    this.endings.set(how, (this.endings.get(how) ?? 0) + 1);
  }

  round(mode: string): void {
    this.rounds++;
    this.modes.set(mode, (this.modes.get(mode) ?? 0) + 1);
  }

  /** Lines for a person. */
  summary(): string[] {
    const share = this.kills === 0 ? 0 : Math.round((100 * this.killsInTransaction) / this.kills);
    const histogram = [...this.steps].sort(([, a], [, b]) => b - a);
    return [
      `rounds: ${this.rounds} (${list(this.modes)})`,
      `kill -9: ${this.kills}, with a destination transaction open: ${this.killsInTransaction} (${share} %)`,
      ...histogram.map(([name, count]) => `  ${String(count).padStart(5)}  ${name}`),
      `SIGSTOP beyond the lease: ${this.stops}; once awake, the run ended as ${list(this.endings)}`,
      `double starts: ${this.doubles}`,
      `runs that hung: ${this.hung.length}`,
      ...this.hung.map((line) => `  ${line}`),
      `rows lost: ${this.lost}, rows doubled: ${this.doubled}, rounds wrong: ${this.wrongRounds.length}`,
      ...this.wrongRounds.map((line) => `  ${line}`),
    ];
  }
}

function toldOf(outcome: { status: string } | null): string {
  return outcome === null ? 'told by another process' : outcome.status;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}
