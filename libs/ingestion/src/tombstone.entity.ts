import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A note that the deployment of an ingestion which does not exist (any more) must still be removed from Prefect. */
@Entity('tombstone')
export class Tombstone {
  @PrimaryColumn('uuid')
  ingestion_id!: string;

  @Column('integer')
  attempts!: number;

  @Column('timestamptz')
  next_attempt_at!: Date;

  @Column('text', { nullable: true })
  last_error!: string | null;

  @Column('timestamptz')
  created_at!: Date;
}
