const PAGE = 200;

/** @typedef {{ id: string, state_type: string, state_name: string, expected_start_time: string, auto_scheduled: boolean, parameters: Record<string, string> }} FlowRun */

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

/** Whether a run's status says what its flow run's state says. @param {string} status of Sluice @param {string | undefined} state of Prefect */
export function agree(status, state) {
  const wanted = { success: 'COMPLETED', partial: 'COMPLETED', skipped: 'CANCELLED' };
  return state === (wanted[/** @type {keyof typeof wanted} */ (status)] ?? status.toUpperCase());
}
