import { type IngestionRow } from '../../libs/ingestion/src/ingestion.entity';
import { UnplannedTicks } from '../../libs/ingestion/src/reconciler/unplanned-ticks';
import { RunQueue } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import type { DataSource } from 'typeorm';
import { anIngestion, startControlPlane, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
let id: string;
beforeAll(async () => {
  plane = await startControlPlane();
  const schedule = { frequency: 'custom', cron_expression: '* * * * *' } as const;
  id = (await plane.ingestions.createIngestion(anIngestion({ schedule }))).id;
  await plane.sql(
    `INSERT INTO sluice_control.run (id, ingestion_id, flow_run_id, trigger, status, metrics, created_at, started_at, ended_at, planned_at)
     SELECT gen_random_uuid(), $1, gen_random_uuid(), 'scheduled', 'success', '{}', at, at, at, at
     FROM (SELECT date_trunc('minute', now()) - n * interval '1 minute' AS at FROM generate_series(1, 20000) AS n) AS ticks`,
    [id],
  );
  await plane.sql('ANALYZE sluice_control.run');
});
afterAll(() => plane.close());

/** Runs nothing: keeps how it would be run. */
function explaining(): { plans: string[]; dataSource: DataSource } {
  const plans: string[] = [];
  const query = async (statement: string, parameters: unknown[]) => {
    const lines = await plane.sql<{ 'QUERY PLAN': string }>(`EXPLAIN ${statement}`, parameters);
    plans.push(lines.map((line) => line['QUERY PLAN']).join('\n'));
    return [];
  };
  return { plans, dataSource: { query } as unknown as DataSource };
}

describe('of an ingestion with 20,000 runs', () => {
  it('a tick finds by an index whether a later one has a run', async () => {
    const [last] = await plane.sql<{ id: string }>(
      'SELECT id FROM sluice_control.run ORDER BY planned_at DESC LIMIT 1',
    );
    const { plans, dataSource } = explaining();
    await new RunQueue(dataSource, new SystemClock()).hasLater(last!.id);
    expect(plans).toEqual([expect.stringContaining('run_by_tick')]);
    expect(plans[0]).not.toContain('Seq Scan');
  });

  it('the reconciler finds by an index which of the last ticks have one', async () => {
    const { plans, dataSource } = explaining();
    const gateway = { ticks: () => Promise.resolve([]) } as unknown as typeof plane.gateway;
    const step = new UnplannedTicks(dataSource, gateway, undefined as never, new SystemClock());
    const since = new Date(Date.now() - 300_000);
    const [row] = await plane.sql<IngestionRow>('SELECT * FROM sluice_control.ingestion WHERE id = $1', [id]);
    await step['planned']({ ...row!, ticks_seen_until: since } as never, [since], 'UTC');
    expect(plans).toEqual([expect.stringContaining('run_by_tick')]);
    expect(plans[0]).not.toContain('Seq Scan');
  });
});
