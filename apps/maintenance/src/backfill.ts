import type { Backfill, BackfillReport, BackfillStep } from '@sluice/ingestion';
import { counted } from '@sluice/kernel';
import { EXIT, type ExitCode } from './exit-codes';
import type { Progress } from './progress';

export interface BackfillCommand {
  dryRun: boolean;
  patienceMs: number;
  signal: AbortSignal;
}

const SAYS = {
  made: 'deployment made',
  would_make: 'would get a deployment',
  needless: 'needs none any more',
  failed: 'deployment not made',
} as const satisfies Record<BackfillStep['outcome'], string>;

/** Makes the deployments and shows how far it is; the last lines sum it up. */
export async function backfill(service: Backfill, command: BackfillCommand, progress: Progress): Promise<ExitCode> {
  const report = await service.run({
    ...command,
    onStep: (step, far) => progress.step(`${step.name}: ${sayingWhy(step)}`, far),
  });
  progress.end();
  for (const step of report.failed) progress.print(`  failed: ${step.name} (${step.id}): ${step.reason ?? ''}`);
  for (const line of summary(report, command)) progress.print(line);
  return report.failed.length === 0 && report.stopped === null ? EXIT.done : EXIT.failed;
}

function sayingWhy({ outcome, reason }: BackfillStep): string {
  return reason === null ? SAYS[outcome] : `${SAYS[outcome]}: ${reason}`;
}

function summary(
  { total, made, needless, failed, left, stopped, reason }: BackfillReport,
  command: BackfillCommand,
): string[] {
  if (total === 0) return ['Every ingestion with a schedule has its deployment: there was nothing to do.'];
  const verb = command.dryRun ? 'would be made' : 'made';
  const counts = `${made} of ${counted(total, 'deployment')} ${verb}, ${failed.length} failed, ${needless} not needed any more, ${left} left.`;
  if (stopped === 'outage')
    return [
      `Prefect could not be used for ${command.patienceMs / 1_000} s (${reason ?? ''}): given up.`,
      `${counts} Run it again when Prefect is back: it goes on where it stopped.`,
    ];
  if (stopped === 'signal') return [`${counts} It was stopped; run it again: it goes on where it stopped.`];
  return [failed.length === 0 ? counts : `${counts} Mend what is said above and run it again.`];
}
