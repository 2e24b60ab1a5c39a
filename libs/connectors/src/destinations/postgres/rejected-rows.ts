import type { LeftOutRow } from '../destination';
import type { CopyField } from './copy-stream';

const COLUMNS = 'load_id, ingestion, path, record, line, column_name, error_type, reason, raw, run, member';
export const COPY_REJECTED = `COPY sluice.rejected_row (${COLUMNS}) FROM STDIN`;

export interface RejectedBy {
  loadId: bigint;
  ingestionId: string;
  runId: string;
  path: string;
}

export async function* rejectedFields(
  by: RejectedBy,
  rejections: AsyncIterable<LeftOutRow>,
): AsyncGenerator<readonly CopyField[]> {
  const loadId = by.loadId.toString();
  for await (const { record, line, column, type, reason, raw, member = null } of rejections) {
    const said = [record, line, storable(column), type, storable(reason), storable(raw)] as const;
    yield [loadId, by.ingestionId, by.path, ...said, by.runId, storable(member)];
  }
}

/** PostgreSQL's text has no NUL; its picture stands for it. */
function storable<T extends string | null>(text: T): T {
  return (text?.replaceAll('\0', '\u2400') ?? null) as T;
}
