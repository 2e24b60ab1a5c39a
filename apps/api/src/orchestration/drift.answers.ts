import { ApiSchema } from '@nestjs/swagger';
import { DRIFT_ACTIONS, DRIFT_KINDS, type Drift, type DriftReport, type ReconcileReport } from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime, timeOrNull } from '../fields/shown';

const ANYTHING = { type: 'object', additionalProperties: true, ...NULLABLE } as const;

@ApiSchema({ name: 'DriftItem' })
export class DriftItemAnswer {
  @Shown('How they differ.', { enum: DRIFT_KINDS })
  kind!: string;
  @ShownId('The ingestion; of an orphan the one its name stands for.', NULLABLE)
  ingestion_id!: string | null;
  @ShownId("Prefect's id of the deployment.", NULLABLE)
  deployment_id!: string | null;
  @Shown('What should be; only what differs. Null: nothing.', ANYTHING)
  expected!: Record<string, unknown> | null;
  @Shown('What is. Null: nothing.', ANYTHING)
  found!: Record<string, unknown> | null;
  @Shown('What the reconciler does about it; `backfill` and `none` are left to you.', { enum: DRIFT_ACTIONS })
  action!: string;
  @Shown('The same as a sentence.')
  message!: string;

  static of(drift: Drift): DriftItemAnswer {
    const { kind, expected, found, action, message } = drift;
    return {
      ...{ kind, ingestion_id: drift.ingestionId, deployment_id: drift.deploymentId },
      ...{ expected, found, action, message },
    };
  }
}

@ApiSchema({ name: 'DriftAlarm' })
export class DriftAlarmAnswer {
  @Shown(
    '`many_removals`: suspiciously many of the deployments would go: more than 5 and 20 %, all of them, or any while there is no ingestion. `empty_database`: there is no ingestion at all.',
    {
      enum: ['many_removals', 'empty_database'],
    },
  )
  reason!: string;
  @ShownCount('How many deployments are concerned.')
  deployments!: number;
  @Shown('What it means and what to do.')
  message!: string;
  @ShownTime('When it was first noted; null: not yet.', NULLABLE)
  since!: string | null;

  static of({ reason, deployments, message, since }: NonNullable<DriftReport['alarm']>): DriftAlarmAnswer {
    return { reason, deployments, message, since: timeOrNull(since) };
  }
}

@ApiSchema({ name: 'Drift' })
export class DriftAnswer {
  @Shown('The first 1,000 differences that the reconciler acts on, then the first 1,000 of the others.', {
    type: [DriftItemAnswer],
  })
  items!: DriftItemAnswer[];
  @ShownCount('How many there are.')
  total!: number;
  @ShownCount('Deployments in Prefect that are of this installation.')
  deployments!: number;
  @Shown('Why nothing is removed from Prefect; null while it may be.', { type: DriftAlarmAnswer, ...NULLABLE })
  alarm!: DriftAlarmAnswer | null;

  static of(report: DriftReport): DriftAnswer {
    return shown(report);
  }
}

@ApiSchema({ name: 'Reconciled' })
export class ReconcileAnswer extends DriftAnswer {
  @Shown('Whether it was one, and nothing was changed.')
  dry_run!: boolean;
  @Shown('Whether removals were forced.')
  force!: boolean;
  @Shown('A sentence for each thing done. `items` is what was found before.', { type: [String] })
  done!: string[];

  static override of(report: ReconcileReport, order: { dryRun: boolean; force: boolean } = DRY): ReconcileAnswer {
    return { ...shown(report), dry_run: order.dryRun, force: order.force, done: report.done };
  }
}

const DRY = { dryRun: true, force: false };

function shown({ drifts, total, deployments, alarm }: DriftReport) {
  const items = drifts.map((drift) => DriftItemAnswer.of(drift));
  return { items, total, deployments, alarm: alarm && DriftAlarmAnswer.of(alarm) };
}
