import { ApiSchema } from '@nestjs/swagger';
import { ORCHESTRATION_REASONS } from '@sluice/kernel';
import type { OrchestrationStatus } from '@sluice/orchestration-gateway';
import { NULLABLE, Shown, ShownCount, ShownTime, timeOrNull } from '../fields/shown';

@ApiSchema({ name: 'OrchestrationStatus' })
export class OrchestrationStatusAnswer {
  @Shown('True while a probe with authentication succeeded in the last 15 s.')
  initialized!: boolean;
  @Shown('Why it is false.', { type: String, enum: ORCHESTRATION_REASONS, ...NULLABLE })
  reason!: string | null;
  @ShownTime('Since when it is what it is now. Null before the first probe.', NULLABLE)
  since!: string | null;
  @Shown('Null before the first answer.', { type: String, example: '3.8.8', ...NULLABLE })
  prefect_version!: string | null;
  @ShownTime('When Prefect was last asked.', NULLABLE)
  last_probe_at!: string | null;
  @ShownTime('When a probe last succeeded.', NULLABLE)
  last_success_at!: string | null;
  @Shown('Whether timetables turn into runs; `unknown` until that has been seen, or when Prefect cannot be asked.', {
    enum: ['alive', 'dead', 'unknown'],
  })
  scheduler!: string;
  @ShownCount('Workers that take runs now. Without one, runs wait.')
  workers_online!: number;

  static of(status: OrchestrationStatus): OrchestrationStatusAnswer {
    return {
      initialized: status.initialized,
      reason: status.reason,
      since: timeOrNull(status.since),
      prefect_version: status.prefectVersion,
      last_probe_at: timeOrNull(status.lastProbeAt),
      last_success_at: timeOrNull(status.lastSuccessAt),
      scheduler: status.scheduler,
      workers_online: status.workersOnline,
    };
  }
}
