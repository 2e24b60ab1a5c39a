import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { Installation } from '../installation';
import { type Alarm, type AlarmFacts, alarmOf } from './alarm';
import { type Drift, GUARDED, isActedOn } from './drift';
import { DriftingRows } from './drifting-rows';
import { NeedlessDeployments } from './needless-deployments';
import { UnfinishedBusiness } from './unfinished-business';

/** So many disagreements that the reconciler acts on are listed, and so many of those that are left to a person; all of them are counted. */
export const LISTED = 1_000;

export interface Comparison {
  drifts: Drift[];
  total: number;
  /** `drifts` holds all that the reconciler acts on. */
  isWhole: boolean;
  /** How many deployments in Prefect are ours. */
  deployments: number;
  alarm: Alarm | null;
}

const STATE = `
SELECT NOT EXISTS (SELECT FROM sluice_control.ingestion) AS empty,
  EXISTS (SELECT FROM sluice_control.installation WHERE alarm IS NOT NULL) AS "isOn"`;

type State = Pick<AlarmFacts, 'empty' | 'isOn'>;

/** Compares all ingestions with all deployments of ours, in bounded memory. Writes nothing. Errors: `OrchestrationUnavailable`. */
@Injectable()
export class WholeComparison {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly installation: Installation,
    private readonly rows: DriftingRows,
    private readonly needless: NeedlessDeployments,
    private readonly unfinished: UnfinishedBusiness,
  ) {}

  /** `forced`: orphans that a person has condemned do not raise the alarm. `stop`: rejects with its reason after the page under way. */
  async run(forced: ReadonlySet<string> = new Set(), stop?: AbortSignal): Promise<Comparison> {
    await this.installation.recall();
    const tally = new Tally(forced);
    tally.add(await this.unfinished.find());
    for await (const drifts of this.rows.pages()) {
      stop?.throwIfAborted();
      tally.add(drifts);
    }
    for await (const { looked, drifts } of this.needless.pages()) {
      stop?.throwIfAborted();
      tally.deployments += looked;
      tally.add(drifts);
    }
    const { total, isWhole, deployments, removals } = tally;
    const drifts = [...tally.actedOn, ...tally.left];
    const state = await this.state();
    const strangers = deployments === 0 && state.empty ? (await this.gateway.strangers()).length : 0;
    return { drifts, total, isWhole, deployments, alarm: alarmOf({ ...state, removals, deployments, strangers }) };
  }

  private async state(): Promise<State> {
    const [state] = (await rowsOf<State>(this.dataSource, STATE)) as [State];
    return state;
  }
}

/** Each sort has room of its own: what nobody mends must not hide what can be mended. */
class Tally {
  readonly actedOn: Drift[] = [];
  readonly left: Drift[] = [];
  isWhole = true;
  total = 0;
  deployments = 0;
  removals = 0;

  constructor(private readonly forced: ReadonlySet<string>) {}

  add(drifts: readonly Drift[]): void {
    this.total += drifts.length;
    this.removals += drifts.filter((it) => GUARDED.has(it.kind) && !this.forced.has(it.deploymentId ?? '')).length;
    const actedOn = drifts.filter(isActedOn);
    this.isWhole &&= this.actedOn.length + actedOn.length <= LISTED;
    this.actedOn.push(...actedOn.slice(0, LISTED - this.actedOn.length));
    this.left.push(...drifts.filter((it) => !isActedOn(it)).slice(0, LISTED - this.left.length));
  }
}
