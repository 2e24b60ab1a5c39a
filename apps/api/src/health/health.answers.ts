import { ApiSchema } from '@nestjs/swagger';
import { Shown } from '../fields/shown';

const PARTS = { type: 'object', additionalProperties: { type: 'object', additionalProperties: true } } as const;

@ApiSchema({ name: 'Live' })
export class LiveAnswer {
  @Shown('The process answers.', { enum: ['ok'] })
  status!: 'ok';
}

/** As terminus makes it. */
@ApiSchema({ name: 'Health' })
export class HealthAnswer {
  @Shown('Whether the database is usable.', { enum: ['ok'] })
  status!: string;
  @Shown('Parts that are up.', PARTS)
  info!: object;
  @Shown('Parts that are down.', PARTS)
  error!: object;
  @Shown('All parts.', {
    ...PARTS,
    example: {
      database: { status: 'up' },
      migrations: { status: 'up' },
      prefect: {
        status: 'up',
        initialized: true,
        reason: null,
        since: '2026-11-23T08:00:00.000Z',
        last_probe_at: '2026-11-23T09:00:00.000Z',
        last_success_at: '2026-11-23T09:00:00.000Z',
      },
    },
  })
  details!: object;
}
