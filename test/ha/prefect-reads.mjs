import { requireTypeScript } from '../../tools/typescript.mjs';

/** @type {typeof import('./flow-run-verdicts.js')} */
export const { differences, executions } = requireTypeScript('test/ha/flow-run-verdicts.ts');

const PAGE = 200;

/** @typedef {import('./flow-run-verdicts.js').SeenFlowRun & { expected_start_time: string, auto_scheduled: boolean }} FlowRun */

/** All flow runs of an ingestion, as Prefect has them. @param {string} prefectApiUrl @param {string} ingestionId @returns {Promise<FlowRun[]>} */
export async function flowRunsOf(prefectApiUrl, ingestionId) {
  const deployments = { name: { any_: [`ingestion-${ingestionId}`] } };
  const found = [];
  for (;;) {
    const page = await ask(`${prefectApiUrl}/flow_runs/filter`, {
      deployments,
      limit: PAGE,
      offset: found.length,
      sort: 'ID_DESC',
    });
    found.push(...page);
    if (page.length < PAGE) return found;
  }
}

/** @param {string} url @param {unknown} body @returns {Promise<any>} */
async function ask(url, body) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
