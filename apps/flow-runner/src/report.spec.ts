import type { RunOutcome } from '@sluice/batch-orchestrator';
import type { RunningOrder } from '@sluice/ingestion';
import type { FlowRun } from '@sluice/orchestration-gateway';
import { markdownOf } from './report';

const order = { name: 'trips', destination: { schema: 'public', table: 'trips' } } as RunningOrder;
const flowRun = { id: 'f1' } as FlowRun;

function outcome(overrides: Partial<RunOutcome> = {}): RunOutcome {
  const metrics = {
    files_discovered: 3,
    files_processed: 2,
    files_failed: 1,
    rows_ingested: 5,
    rows_rejected: 0,
    bytes_read: 99,
    duration_ms: 1500,
  };
  return {
    status: 'partial',
    summary: '5 rows of 2 files loaded, 1 file failed.',
    metrics,
    errors: [],
    files: [],
    ...overrides,
  };
}

describe('the report of a run', () => {
  it('shows where its rows went and how many', () => {
    const text = markdownOf(order, flowRun, outcome());
    expect(text).toContain('## trips: partial');
    expect(text).toContain('| public.trips | 3 | 2 | 1 | 5 | 99 | 1.5 |');
    expect(text).not.toContain('What went wrong');
  });

  it('shows what went wrong, and nothing from outside becomes markup', () => {
    const error = {
      file: 'a|b<script>.csv',
      line: 3,
      column: null,
      error_type: 'malformed',
      message: 'Line 3\nis `bad`',
      retryable: false,
    };
    expect(markdownOf(order, flowRun, outcome({ errors: [error] }))).toContain(
      '| a\\|b\\<script\\>.csv | 3 |  | Line 3 is \\`bad\\` |',
    );
  });

  it('shows at most twenty errors', () => {
    const error = { file: 'x.csv', line: 1, column: null, error_type: 'malformed', message: 'bad', retryable: false };
    const text = markdownOf(order, flowRun, outcome({ errors: Array.from({ length: 100 }, () => error) }));
    expect(text.split('x.csv')).toHaveLength(21);
  });
});
