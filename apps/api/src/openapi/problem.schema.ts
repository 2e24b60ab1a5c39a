import { ApiProperty, ApiSchema } from '@nestjs/swagger';
import { ORCHESTRATION_REASONS } from '@sluice/kernel';
import { STATUS_OF } from '../problem/codes';

@ApiSchema({ name: 'FieldError' })
export class FieldErrorSchema {
  @ApiProperty({ description: 'Which field, in the words of the body.', example: 'schedule.cron_expression' })
  path!: string;
  @ApiProperty({ description: 'What is wrong with it.' })
  message!: string;
}

/** RFC 9457. `ProblemFilter` makes it; this only documents it. */
@ApiSchema({ name: 'Problem' })
export class ProblemSchema {
  @ApiProperty({ description: 'Stable name of the kind of problem.', example: 'urn:sluice:problem:name-taken' })
  type!: string;
  @ApiProperty({ description: 'The kind of problem, for a person.' })
  title!: string;
  @ApiProperty({ description: 'The HTTP status.', type: 'integer' })
  status!: number;
  @ApiProperty({ description: 'What is wrong this time, and what to do.' })
  detail!: string;
  @ApiProperty({ description: 'Stable; programs go by it.', enum: Object.keys(STATUS_OF) })
  code!: string;
  @ApiProperty({ description: 'Also in the header X-Request-Id and in the log.' })
  request_id!: string;
  @ApiProperty({ description: 'Which fields are wrong.', type: [FieldErrorSchema], required: false })
  errors?: FieldErrorSchema[];
  @ApiProperty({ description: 'Why Prefect could not be used.', enum: ORCHESTRATION_REASONS, required: false })
  reason?: string;
  @ApiProperty({ description: 'With RUN_ACTIVE: the run that is active.', format: 'uuid', required: false })
  run_id?: string;
}
