import { Injectable } from '@nestjs/common';
import { Conflict } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import type { IngestionRow } from './ingestion.entity';
import type { DestinationSpec } from './types';

/** First half of the advisory locks on tables; any number nobody else in this database uses. */
const TABLE_LOCKS = 7_305_002;

const OTHERS = `
SELECT id, name, destination->>'write_mode' AS write_mode, EXISTS (
  SELECT FROM sluice_control.run r WHERE r.ingestion_id = i.id AND r.status IN ('queued', 'running')
    AND r.parameters->>'kind' = 'refresh') AS rebuilding
FROM sluice_control.ingestion i
WHERE destination->>'schema' = $1 AND destination->>'table' = $2 AND id <> $3 ORDER BY created_at, id`;

const TO_BE_DROPPED = `
SELECT FROM sluice_control.table_drop WHERE destination->>'schema' = $1 AND destination->>'table' = $2`;

interface Other {
  id: string;
  name: string;
  write_mode: DestinationSpec['write_mode'];
  rebuilding: boolean;
}

type Here = Pick<IngestionRow, 'id' | 'destination'>;

/**
 * Which ingestions may load into one table. Whoever asks within a transaction and then writes has the table's lock until it ends, so that
 * of two who would exclude each other one sees the other.
 */
@Injectable()
export class TableSharing {
  /** For a new ingestion: `overwrite` needs the table for itself, and what is to be dropped takes no more rows. Errors: `Conflict`. */
  async assertMayJoin(tx: SqlRunner, row: Here): Promise<void> {
    const others = await this.others(tx, row);
    const { schema, table } = row.destination;
    if ((await rowsOf(tx, TO_BE_DROPPED, [schema, table])).length > 0)
      throw new Conflict(
        `Table ${tableOf(row)} is still to be dropped with a deleted ingestion. Try again in a moment.`,
      );
    const owner = others.find((other) => other.write_mode === 'overwrite' || other.rebuilding);
    const [first] = others;
    if (owner?.write_mode === 'overwrite') throw taken(row, `is overwritten by ingestion ${called(owner)}`);
    if (owner) throw new Conflict(`Table ${tableOf(row)} is being built anew by ingestion ${called(owner)}. ${LATER}`);
    if (first && row.destination.write_mode === 'overwrite') {
      throw taken(row, `is also loaded by ingestion ${called(first)}, and write_mode "overwrite" needs it for itself`);
    }
  }

  /** For what takes all rows of the table away: nobody else's may be among them. Errors: `Conflict`. */
  async assertAlone(tx: SqlRunner, row: Here): Promise<void> {
    const [other] = await this.others(tx, row);
    if (!other) return;
    throw new Conflict(
      `Table ${tableOf(row)} is also loaded by ingestion ${called(other)}, whose rows would go. Delete that ingestion first, or leave the table as it is.`,
    );
  }

  private async others(tx: SqlRunner, { id, destination: { schema, table } }: Here): Promise<Other[]> {
    await tx.query(`SELECT pg_advisory_xact_lock($1, hashtext($2))`, [TABLE_LOCKS, JSON.stringify([schema, table])]);
    return rowsOf<Other>(tx, OTHERS, [schema, table, id]);
  }
}

const LATER = 'Try again when its run has ended.';

function taken(row: Here, why: string): Conflict {
  return new Conflict(`Table ${tableOf(row)} ${why}. Choose another destination.table.`);
}

function called({ name, id }: Other): string {
  return `"${name}" (${id})`;
}

function tableOf({ destination: { schema, table } }: Here): string {
  return `${schema}.${table}`;
}
