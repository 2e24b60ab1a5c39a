import { SOME_STRANGERS } from '@sluice/orchestration-gateway';

/** So many removals are never suspicious. */
const FEW = 5;
/** Of our deployments. */
const SHARE = 0.2;

/** Why nothing is removed from Prefect: a control database that was restored empty or old must not empty it. */
export interface Alarm {
  reason: 'many_removals' | 'empty_database';
  /** Deployments that would have to go, or that are not ours. */
  deployments: number;
  message: string;
}

export interface AlarmFacts {
  /** Deployments of ours that should not be there. */
  removals: number;
  /** All deployments of ours. */
  deployments: number;
  /** Deployments of others beside a control database that has no ingestion at all; else 0. */
  strangers: number;
  /** The control database has no ingestion at all. */
  empty: boolean;
  /** It is on already. */
  isOn: boolean;
}

export function alarmOf(facts: AlarmFacts): Alarm | null {
  const { removals, deployments, strangers } = facts;
  const suspicion = suspicionOf(facts);
  if (suspicion !== null)
    return {
      ...{ reason: 'many_removals', deployments: removals },
      message: `${removals} of ${deployments} deployments in Prefect have no ingestion with a schedule, ${suspicion}: nothing is removed. Was the control database restored? If they shall go, POST /api/v1/orchestration/reconcile with {"dry_run": false, "force": true}.`,
    };
  if (strangers === 0) return null;
  return {
    ...{ reason: 'empty_database', deployments: strangers },
    message: `The control database has no ingestion, but Prefect has deployments of another installation (${strangers}${strangers === SOME_STRANGERS ? ' or more' : ''}); they are left alone. If this is a new Sluice beside another, all is well. If the database was restored empty, restore its rows, or set sluice_control.installation.id to the id in the deployments' tag sluice:<id>.`,
  };
}

/** Why removals are not believed; `null`: they are. Whoever restores rows one by one makes them fewer, so once doubted they stay so. */
function suspicionOf({ removals, deployments, empty, isOn }: AlarmFacts): string | null {
  const limit = Math.max(FEW, Math.floor(deployments * SHARE));
  if (removals > limit) return `more than ${limit}`;
  if (removals === 0) return null;
  if (empty) return 'and the control database has no ingestion at all';
  if (removals > 1 && removals === deployments) return 'which are all there are';
  return isOn ? 'and the alarm is still on' : null;
}
