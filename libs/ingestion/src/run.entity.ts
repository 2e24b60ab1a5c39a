import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RunError, RunMetrics, RunParameters, RunStatus, RunTrigger } from './types';

/** One execution as Sluice records it. `status` moves only by compare-and-set along `NEXT_RUN_STATUS`. */
@Entity('run')
export class Run {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid')
  ingestion_id!: string;

  /** `null` until Prefect has made the flow run. One flow run has at most one active row, and another for each repetition. */
  @Column('uuid', { nullable: true })
  flow_run_id!: string | null;

  @Column('text')
  trigger!: RunTrigger;

  @Column('jsonb')
  parameters!: RunParameters;

  @Column('text')
  status!: RunStatus;

  /** The process that runs it; its writes are fenced by this id. */
  @Column('uuid', { nullable: true })
  executor!: string | null;

  @Column('jsonb')
  metrics!: RunMetrics;

  @Column('jsonb')
  errors!: RunError[];

  @Column('timestamptz')
  created_at!: Date;

  @Column('timestamptz', { nullable: true })
  started_at!: Date | null;

  @Column('timestamptz', { nullable: true })
  ended_at!: Date | null;
}

/** A row as plain data. */
export type RunRow = { [Column in keyof Run]: Run[Column] };
