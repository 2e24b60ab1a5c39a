import type { SluiceStatistics } from '@sluice/ingestion';
import { type Family, gauge, gauges, type Sample } from './family';

const STATUSES = { draft: 0, active: 0, paused: 0, error: 0 };
type Watched = SluiceStatistics['watched'][number];

/** Ingestions as they are now. One by one only those that are watched or fail, so that the number of series stays bounded. */
export function ingestionFamilies(facts: SluiceStatistics): Family[] {
  const { ingestions, stale, failing, driftSuspected, ticks, tombstones, unshown } = facts;
  return [
    gauges('sluice_ingestions', 'Ingestions by status.', 'status', { ...STATUSES, ...ingestions }),
    gauge('sluice_ingestions_stale', 'Ingestions whose data is older than quality.max_age_seconds.', stale),
    gauge('sluice_ingestions_failing', 'Ingestions whose last run failed.', failing),
    ...oneByOne(facts.watched),
    gauge('sluice_ingestions_unshown', 'Watched or failing ingestions left out of the series of single ones.', unshown),
    gauges('sluice_ticks', 'Ticks of timetables that did not run, of the ingestions there are.', 'outcome', ticks),
    gauge('sluice_drift_suspected', 'Ingestions that Prefect may differ from.', driftSuspected),
    gauge('sluice_tombstones', 'Deployments that are still to be removed from Prefect.', tombstones.all),
    gauge('sluice_tombstones_due', 'Of these: to be tried now.', tombstones.due),
  ];
}

/** Without a webhook nothing is waited for, and there is no sample. */
export function eventFamilies({ events }: SluiceStatistics, isOn: boolean): Family[] {
  return [
    gauge(
      'sluice_events_undelivered',
      'Events of the last day that the webhook has not taken.',
      isOn ? events.pending : null,
    ),
    gauge(
      'sluice_events_given_up',
      'Events given up in the last day: the webhook had not taken them within a day.',
      isOn ? events.givenUp : null,
    ),
  ];
}

function oneByOne(watched: readonly Watched[]): Family[] {
  const family = (name: string, help: string, valueOf: (it: Watched) => number | null): Family => ({
    ...{ name, help, type: 'gauge' },
    values: watched.flatMap((it) => sample(it, valueOf(it))),
  });
  return [
    family(
      'sluice_ingestion_consecutive_failures',
      'Runs in a row that have failed, of ingestions that are watched or fail.',
      (it) => it.consecutive_failures,
    ),
    family(
      'sluice_ingestion_since_success_seconds',
      'Time since the last success, or since it was made, scheduled or resumed, of ingestions that are watched or fail.',
      (it) => it.age_seconds,
    ),
    family('sluice_ingestion_stale', 'Whether the data of a watched ingestion is stale.', (it) =>
      it.stale === null ? null : Number(it.stale),
    ),
  ];
}

function sample({ id, name }: Watched, value: number | null): Sample[] {
  return value === null ? [] : [{ value, labels: { ingestion_id: id, ingestion: name } }];
}
