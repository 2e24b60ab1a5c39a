import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ColumnRecord, SchemaChange } from './types';

/** The columns of an ingestion from one file on, counted from 1. */
@Entity('schema_version')
export class SchemaVersion {
  @PrimaryColumn('uuid')
  ingestion_id!: string;

  @PrimaryColumn('integer')
  version!: number;

  @Column('jsonb')
  columns!: ColumnRecord[];

  @Column('jsonb')
  changes!: SchemaChange[];

  @Column('jsonb', { nullable: true })
  dialect!: Record<string, unknown> | null;

  @Column('text')
  file!: string;

  @Column('timestamptz')
  created_at!: Date;
}
