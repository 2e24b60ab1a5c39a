import { Injectable } from '@nestjs/common';
import type { RejectedRow } from '@sluice/connectors';
import { IngestionReads } from './ingestion-reads';
import { LoadedData, type RejectedRowsRequest } from './loaded-data';
import { keyAfter, pageLimit, pageOf, wrongCursor } from './page';
import { refuse } from './rules';
import { RunReads } from './runs/run-reads';
import { knownId } from './uuid';
import type { ListRejectedRows, Page, PageRequest, RejectedRowView } from './views';

/** The rows that were left out, oldest first, from the destination where they lie. */
@Injectable()
export class RejectedRows {
  constructor(
    private readonly ingestions: IngestionReads,
    private readonly runs: RunReads,
    private readonly data: LoadedData,
  ) {}

  async ofIngestion(ingestionId: string, request: ListRejectedRows): Promise<Page<RejectedRowView>> {
    const { run_id: runId, path } = request;
    if (runId !== undefined) knownId(runId, () => refuse('run_id', runId, 'is no UUID', 'Give the id of a run.'));
    await this.ingestions.find(ingestionId);
    return this.page(ingestionId, request, {
      ...(runId !== undefined && { runId }),
      ...(path !== undefined && { path }),
    });
  }

  async ofRun(runId: string, request: PageRequest): Promise<Page<RejectedRowView>> {
    const run = await this.runs.find(runId);
    return this.page(run.ingestion_id, request, { runId: run.id });
  }

  private async page(
    ingestionId: string,
    request: PageRequest,
    filter: Pick<RejectedRowsRequest, 'runId' | 'path'>,
  ): Promise<Page<RejectedRowView>> {
    const [limit, after] = [pageLimit(request), afterOf(request)];
    const rows = await this.data.rejectedRows(ingestionId, { ...filter, after, limit: limit + 1 });
    const page = pageOf(rows, limit, (row) => [row.id]);
    return { ...page, items: page.items.map(viewOf) };
  }
}

function viewOf({ runId, path, member, record, line, column, type, reason, raw }: RejectedRow): RejectedRowView {
  return { run_id: runId, path, member, record, line, column, error_type: type, reason, raw };
}

const MAX_ID = 2n ** 63n;

function afterOf(request: PageRequest): string | null {
  const [id] = keyAfter(request, 1) ?? [];
  if (id === undefined) return null;
  if (!/^\d{1,19}$/.test(id) || BigInt(id) >= MAX_ID) throw wrongCursor();
  return id;
}
