import { Column, Entity, PrimaryColumn } from 'typeorm';
import type {
  ChangedFiles,
  DestinationSpec,
  FormatSpec,
  IngestionStatus,
  OnSchemaChange,
  QualitySpec,
  ScheduleSpec,
  SchemaSpec,
  SourceSpec,
} from './types';

/** What may be under way on an ingestion; each is written into its claim. */
export type Operation = 'create' | 'update' | 'pause' | 'resume' | 'trigger' | 'forget' | 'repair';

/** The standing order. The claim (`operation*`) says which operation holds it and until when; see `OperationClaims`. */
@Entity('ingestion')
export class Ingestion {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  status!: IngestionStatus;

  @Column('jsonb')
  source!: SourceSpec;

  @Column('jsonb')
  format!: FormatSpec;

  @Column('jsonb')
  destination!: DestinationSpec;

  @Column('jsonb', { nullable: true })
  schedule!: ScheduleSpec | null;

  @Column('jsonb')
  schema!: SchemaSpec;

  @Column('text')
  on_schema_change!: OnSchemaChange;

  @Column('text')
  changed_files!: ChangedFiles;

  @Column('jsonb')
  quality!: QualitySpec;

  /** Sealed; read only where a source is opened. */
  @Column('bytea', { nullable: true, select: false })
  credentials!: Buffer | null;

  @Column('text', { array: true })
  credential_keys!: string[];

  @Column('uuid', { nullable: true })
  prefect_deployment_id!: string | null;

  /** True when Prefect may differ from this row; the reconciler brings Prefect to the row. */
  @Column('boolean')
  drift_suspected!: boolean;

  /** Until then a call that failed may arrive in Prefect; the reconciler compares once more after it. */
  @Column('timestamptz', { nullable: true })
  late_calls_until!: Date | null;

  @Column('text', { nullable: true })
  operation!: Operation | null;

  @Column('uuid', { nullable: true })
  operation_id!: string | null;

  @Column('timestamptz', { nullable: true })
  operation_expires_at!: Date | null;

  /** Runs in a row that ended `failed` or `crashed`; 0 again with the next that did not. */
  @Column('integer')
  consecutive_failures!: number;

  /** The event of this streak has been written. */
  @Column('boolean')
  failing_warned!: boolean;

  /** Why the status is `error`; else null. */
  @Column('text', { nullable: true })
  error_reason!: string | null;

  /** When its data was last known to be fresh: the end of the last run that was a success, or when it was made or resumed. */
  @Column('timestamptz')
  fresh_at!: Date;

  /** Since when its data is older than `quality.max_age_seconds`; null while it is not. */
  @Column('timestamptz', { nullable: true })
  stale_since!: Date | null;

  /** Ticks that never ran because nobody could run them, and the policy did not ask for it. */
  @Column('bigint')
  missed!: string;

  /** Ticks given up for a later one, and runs ended by `replace`. */
  @Column('bigint')
  superseded!: string;

  /** Ticks that found another run active and were left out. */
  @Column('bigint')
  overlap_skipped!: string;

  /** Ticks of the timetable up to here are accounted for, each as a run, missed or superseded. */
  @Column('timestamptz', { nullable: true })
  ticks_seen_until!: Date | null;

  @Column('timestamptz')
  created_at!: Date;

  @Column('timestamptz')
  updated_at!: Date;
}

/** A row as plain data. */
export type IngestionRow = { [Column in keyof Ingestion]: Ingestion[Column] };

/** The time of the database when it writes: who compares does so by its clock, not by that of one of many machines. */
export const DATABASE_NOW = () => 'now()';

/** Columns as they are to become. */
export type RowChanges = {
  [Column in keyof IngestionRow]?:
    IngestionRow[Column] | (Date extends IngestionRow[Column] ? typeof DATABASE_NOW : never);
};
