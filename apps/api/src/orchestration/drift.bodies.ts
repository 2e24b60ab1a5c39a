import { ApiSchema } from '@nestjs/swagger';
import { FlagField } from '../fields/fields';
import type { ReconcileQuery } from '../fields/queries';

@ApiSchema({ name: 'Reconcile' })
export class ReconcileBody {
  @FlagField({ description: 'Only say what would be done.', required: false, default: true })
  dry_run?: boolean;

  @FlagField({
    description: 'Remove deployments although they are suspiciously many (see `alarm`). Without effect in a dry run.',
    required: false,
    default: false,
  })
  force?: boolean;
}

/** Without a word, or with two that differ, nothing is changed. */
export function reconcileOrder(body: ReconcileBody, query: ReconcileQuery): { dryRun: boolean; force: boolean } {
  const said = [body.dry_run, query.dry_run === undefined ? undefined : query.dry_run === 'true'];
  const dryRun = said.includes(true) || !said.includes(false);
  return { dryRun, force: body.force === true };
}
