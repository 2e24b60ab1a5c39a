import { type System, until, type WireIngestion, type WireRun } from './system';

const RUN_MS = 60_000;
const TERMINAL = new Set(['success', 'partial', 'failed', 'cancelled', 'crashed', 'skipped']);

/** The body of an ingestion that works; each test says what matters to it. */
export function anOrder(system: System, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: `order ${Math.random().toString(36).slice(2)}`,
    source: { type: 'file', path: system.folder, file_pattern: '*.csv' },
    format: { type: 'csv' },
    destination: { schema: 'public', table: 'trips', write_mode: 'append' },
    schedule: { frequency: 'manual' },
    ...overrides,
  };
}

export async function created(system: System, overrides: Record<string, unknown> = {}): Promise<WireIngestion> {
  const { status, body } = await system.api<WireIngestion>('POST', '/ingestions', anOrder(system, overrides));
  if (status !== 201) throw new Error(`create answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export async function triggered(system: System, id: string): Promise<{ run_id: string; flow_run_id: string }> {
  const { status, body } = await system.api<{ run_id: string; flow_run_id: string }>('POST', `/ingestions/${id}/run`);
  if (status !== 202) throw new Error(`trigger answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export async function endOf(system: System, runId: string): Promise<WireRun> {
  const read = async () => (await system.api<WireRun>('GET', `/runs/${runId}`)).body;
  await until(`run ${runId} has ended`, async () => TERMINAL.has((await read()).status), RUN_MS);
  return read();
}

/** Prefect's own word for the state, once it is final. */
export async function endInPrefect(
  system: System,
  flowRunId: string,
): Promise<{ type: string; name: string; message: string }> {
  let state = { type: '', name: '', message: '' };
  await until(
    `flow run ${flowRunId} has ended`,
    async () => {
      state = (await system.prefect<{ state: typeof state }>('GET', `/flow_runs/${flowRunId}`)).body.state;
      return ['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'].includes(state.type);
    },
    RUN_MS,
  );
  return state;
}

/** `count` lines of CSV with ids from `first`. */
export function lines(first: number, count: number): string {
  return `id,name\n${Array.from({ length: count }, (_, index) => `${first + index},name ${first + index}`).join('\n')}\n`;
}
