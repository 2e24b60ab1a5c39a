import { Column, Entity, PrimaryColumn } from 'typeorm';
import { COUNT } from './columns';
import type { FileStatus, RunError } from './types';

/** The mirror of what happened to a file last; the truth is the ledger in the destination. */
@Entity('processed_file')
export class ProcessedFile {
  @PrimaryColumn('uuid')
  ingestion_id!: string;

  @PrimaryColumn('text')
  path!: string;

  @Column('text')
  version!: string;

  @Column('text')
  status!: FileStatus;

  @Column(COUNT)
  rows!: number;

  @Column(COUNT)
  rejected!: number;

  @Column(COUNT)
  bytes!: number;

  @Column('jsonb', { nullable: true })
  first_error!: RunError | null;

  /** Key of its ledger row, the `_load_id` of its rows. */
  @Column('bigint', { nullable: true })
  load_id!: string | null;

  /** Failed attempts so far. */
  @Column('integer')
  attempts!: number;

  @Column('timestamptz', { nullable: true })
  next_attempt_at!: Date | null;

  @Column('uuid')
  run_id!: string;

  /** It was quarantined, and no event has told of it yet. */
  @Column('boolean')
  quarantine_untold!: boolean;

  @Column('timestamptz')
  first_seen_at!: Date;

  @Column('timestamptz')
  processed_at!: Date;
}
