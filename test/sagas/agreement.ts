import type { Stage } from './stage';

/** What is looked at. */
type Sight = Pick<Stage, 'control' | 'prefect' | 'pool'>;

interface Row {
  id: string;
  status: string;
  prefect_deployment_id: string | null;
  cron: string | null;
}
interface Deployment {
  id: string;
  name: string;
  paused: boolean;
  work_pool_name: string | null;
  schedules: { active: boolean; schedule: { cron: string } }[];
}

const ROWS = `
SELECT id, status, prefect_deployment_id, '0 ' || split_part(schedule->>'time', ':', 1)::int || ' * * *' AS cron
FROM sluice_control.ingestion WHERE status <> 'provisioning'`;

/** What is not yet done, or never will be. */
const LEFT = `
SELECT 'tombstone of ' || ingestion_id AS what FROM sluice_control.tombstone
UNION ALL SELECT 'table to be dropped of ' || ingestion_id FROM sluice_control.table_drop
UNION ALL SELECT 'claim (' || operation || ') on ' || id FROM sluice_control.ingestion WHERE operation_id IS NOT NULL
UNION ALL SELECT 'drift suspected of ' || id FROM sluice_control.ingestion WHERE drift_suspected OR late_calls_until IS NOT NULL
UNION ALL SELECT 'half made ' || id FROM sluice_control.ingestion WHERE status = 'provisioning'`;

/** Where both databases differ for somebody who looks now: visible rows and their deployments, deployments and their rows. */
export async function differences(stage: Sight): Promise<string[]> {
  const rows = await stage.control<Row>(ROWS);
  const deployments = new Map((await deploymentsOf(stage)).map((it) => [it.name, it]));
  const differing = rows.flatMap((row) => {
    const deployment = deployments.get(`ingestion-${row.id}`);
    deployments.delete(`ingestion-${row.id}`);
    return differenceOf(row, deployment).map((what) => `ingestion ${row.id}: ${what}`);
  });
  return [...differing, ...[...deployments.keys()].map((name) => `deployment ${name} has no ingestion`)];
}

/** The same, and all that is still to be looked after. */
export async function disagreements(stage: Sight): Promise<string[]> {
  const left = await stage.control<{ what: string }>(LEFT);
  return [...(await differences(stage)), ...left.map(({ what }) => what), ...(await strayRuns(stage))];
}

function differenceOf(row: Row, deployment: Deployment | undefined): string[] {
  if (row.cron === null)
    return deployment || row.prefect_deployment_id !== null ? ['has no schedule, but a deployment'] : [];
  if (!deployment) return ['has a schedule, but no deployment'];
  const crons = deployment.schedules.filter((it) => it.active).map((it) => it.schedule.cron);
  return [
    ...(deployment.id === row.prefect_deployment_id ? [] : ['knows another deployment']),
    ...(deployment.paused === (row.status === 'paused') ? [] : [`is ${row.status}, its deployment is not`]),
    ...(crons.join() === row.cron ? [] : [`has the timetable ${row.cron}, its deployment ${crons.join() || 'none'}`]),
  ];
}

const PAGE = 200;

async function deploymentsOf(stage: Sight): Promise<Deployment[]> {
  const all: Deployment[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const filter = { deployments: { tags: { all_: ['sluice'] } }, offset, limit: PAGE, sort: 'NAME_ASC' };
    const page = await stage.prefect<Deployment[]>('/deployments/filter', filter);
    all.push(...page.filter((it) => it.work_pool_name === stage.pool));
    if (page.length < PAGE) return all;
  }
}

interface ActiveRun {
  id: string;
  flow_run_id: string | null;
  prefect_deployment_id: string;
}

/** Runs that wait for a flow run which Prefect does not have, or has ended; and flow runs that wait for a worker although their run has ended. */
async function strayRuns(stage: Sight): Promise<string[]> {
  const runs = await stage.control<ActiveRun>(
    `SELECT r.id, r.flow_run_id, i.prefect_deployment_id FROM sluice_control.run r JOIN sluice_control.ingestion i ON i.id = r.ingestion_id
     WHERE r.status IN ('queued', 'running')`,
  );
  const flowRuns = await waitingFlowRuns(stage);
  const waiting = new Set(flowRuns.map((it) => it.id));
  const active = new Set(runs.map((it) => it.id));
  return [
    ...runs.filter((it) => !waiting.has(it.flow_run_id ?? '')).map((it) => `run ${it.id} waits for nothing`),
    ...flowRuns.filter((it) => !active.has(it.parameters.run_id ?? '')).map((it) => `flow run ${it.id} waits in vain`),
  ];
}

export interface FlowRun {
  id: string;
  deployment_id: string;
  parameters: { ingestion_id: string; run_id?: string };
}

/** Flow runs started by hand which a worker would take. */
export async function waitingFlowRuns(stage: Sight): Promise<FlowRun[]> {
  const ids = (await deploymentsOf(stage)).map((it) => it.id);
  if (ids.length === 0) return [];
  const state = { type: { any_: ['SCHEDULED', 'PENDING', 'RUNNING'] } };
  const filter = { flow_runs: { deployment_id: { any_: ids }, state }, limit: PAGE };
  const found = await stage.prefect<FlowRun[]>('/flow_runs/filter', filter);
  return found.filter((it) => it.parameters.run_id !== undefined);
}
