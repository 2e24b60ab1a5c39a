import { counted } from '@sluice/kernel';
import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { DataSource, type EntityManager } from 'typeorm';
import { Events } from '../events/events';
import type { ReconcilerStep } from './step';

/** Also of one event at most. */
const FILES_PER_PASS = 1_000;
const PATHS_SHOWN = 20;
const LONGEST_REASON = 1_000;

/** Those of a run that is still under way may become more. What a run is writing just now is left to the next pass. */
const TELL = `
WITH untold AS (
  SELECT f.ingestion_id, f.path FROM sluice_control.processed_file f
  WHERE f.quarantine_untold
    AND NOT EXISTS (SELECT FROM sluice_control.run r WHERE r.id = f.run_id AND r.status IN ('queued', 'running'))
  ORDER BY f.ingestion_id, f.path LIMIT $1 FOR UPDATE OF f SKIP LOCKED
), told AS (
  UPDATE sluice_control.processed_file f SET quarantine_untold = false FROM untold
  WHERE (f.ingestion_id, f.path) = (untold.ingestion_id, untold.path)
  RETURNING f.ingestion_id, f.run_id, f.path, f.first_error->>'message' AS said
)
SELECT i.id, i.name, told.run_id, count(*)::integer AS files, (array_agg(told.path ORDER BY told.path))[1:${PATHS_SHOWN}] AS paths,
  (array_agg(told.said ORDER BY told.path))[1] AS said
FROM told JOIN sluice_control.ingestion i ON i.id = told.ingestion_id GROUP BY i.id, told.run_id ORDER BY i.id, told.run_id`;

interface Quarantined {
  id: string;
  name: string;
  run_id: string;
  files: number;
  paths: string[];
  said: string | null;
}

/** Files that have failed as often as is allowed: nobody tries them again unasked, so somebody should hear of it. One event for all of a run. */
@Injectable()
export class QuarantineWatch implements ReconcilerStep {
  readonly name = 'quarantine';

  constructor(
    private readonly dataSource: DataSource,
    private readonly events: Events,
  ) {}

  async run(): Promise<string[]> {
    const found = await this.dataSource.transaction((tx) => this.tell(tx));
    return found.map(({ id, files }) => `Told of ${counted(files, 'file')} of ingestion ${id} in quarantine`);
  }

  private async tell(tx: EntityManager): Promise<Quarantined[]> {
    const found = await rowsOf<Quarantined>(tx, TELL, [FILES_PER_PASS]);
    for (const quarantined of found) await this.events.record(tx, eventOf(quarantined));
    return found;
  }
}

function eventOf({ id, name, run_id, files, paths, said }: Quarantined) {
  const last_error = said?.slice(0, LONGEST_REASON) ?? null;
  const facts = { ingestion_name: name, run_id, files, paths, last_error };
  const message = `${counted(files, 'file')} of ingestion "${name}" failed as often as is allowed, and ${followed(files, paths[0] ?? '')} ${last_error ?? 'nothing'}`;
  return { kind: 'quarantined' as const, ingestionId: id, message, facts };
}

function followed(files: number, first: string): string {
  return files === 1
    ? `is not tried again until it changes or somebody asks for it: ${first}. It said:`
    : `are not tried again until they change or somebody asks for it: ${first} and ${files - 1} more. The first:`;
}
