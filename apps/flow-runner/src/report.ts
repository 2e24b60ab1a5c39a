import type { RunOutcome } from '@sluice/batch-orchestrator';
import type { RunningOrder } from '@sluice/ingestion';
import type { FlowRun } from '@sluice/orchestration-gateway';

const SHOWN_ERRORS = 20;

/** The result of a run as Prefect's UI shows it. */
export function markdownOf(
  order: RunningOrder,
  flowRun: FlowRun,
  { status, summary, metrics, errors, files }: RunOutcome,
): string {
  const target = `${order.destination.schema}.${order.destination.table}`;
  const lines = [
    `## ${cell(order.name)}: ${status}`,
    '',
    cell(summary),
    '',
    ...table(
      ['into', 'files found', 'loaded', 'failed', 'rows', 'bytes', 'seconds'],
      [
        [
          target,
          metrics.files_discovered,
          metrics.files_processed,
          metrics.files_failed,
          metrics.rows_ingested,
          metrics.bytes_read,
          metrics.duration_ms / 1000,
        ],
      ],
    ),
    ...(errors.length === 0
      ? []
      : [
          '',
          '### What went wrong',
          '',
          ...table(
            ['file', 'line', 'column', 'what'],
            errors.slice(0, SHOWN_ERRORS).map((error) => [error.file, error.line, error.column, error.message]),
          ),
        ]),
    ...(files.length === 0
      ? []
      : [
          '',
          '### Files',
          '',
          ...table(
            ['path', 'status', 'rows', 'bytes'],
            files.map((file) => [file.path, file.status, file.rows, file.bytes]),
          ),
        ]),
    '',
    `Flow run ${flowRun.id}`,
  ];
  return lines.join('\n');
}

type Cell = string | number | null;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const line = (cells: readonly Cell[]) => `| ${cells.map((value) => cell(String(value ?? ''))).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)];
}

/** File names and messages come from outside: nothing of them may become markup. */
function cell(text: string): string {
  return text.replace(/[\\`*_{}[\]<>|#]/g, '\\$&').replace(/\s+/g, ' ');
}
