import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RunError, RunMetrics, RunParameters, RunStatus, RunTrigger } from '../types';

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

  /** By the database's clock: when its process last said that it lives (also while it waits its turn); null before there is one. */
  @Column('timestamptz', { nullable: true })
  heartbeat_at!: Date | null;

  /** The tick of the timetable it is for; null for what was started by hand. */
  @Column('timestamptz', { nullable: true })
  planned_at!: Date | null;

  /** While queued: `next` tries the lease, `waiting` comes after the active run; null until that is decided. */
  @Column('text', { nullable: true })
  place!: 'next' | 'waiting' | null;

  /** A later run took its place (`overlap_policy` replace); counted once. */
  @Column('boolean')
  replaced!: boolean;

  @Column('timestamptz', { nullable: true })
  cancel_requested_at!: Date | null;

  /** The run this one does again. */
  @Column('uuid', { nullable: true })
  retry_of!: string | null;

  @Column('timestamptz')
  created_at!: Date;

  @Column('timestamptz', { nullable: true })
  started_at!: Date | null;

  @Column('timestamptz', { nullable: true })
  ended_at!: Date | null;
}

/** A row as plain data. */
export type RunRow = { [Column in keyof Run]: Run[Column] };
