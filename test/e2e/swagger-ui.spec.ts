import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { withoutPrefect } from '../support/prefect';
import { created, endOf, lines } from '../support/orders';
import { startSystem, type System } from '../support/system';

/** With a path in SLUICE_PICTURE the page is kept there, as the README shows it. */
const PICTURE = process.env['SLUICE_PICTURE'];
const executablePath = whichChromium();
const reason = withoutPrefect ?? (executablePath === null ? 'there is no chromium on PATH' : null);
const suite = reason === null ? describe : describe.skip;

suite(`Swagger UI in a browser${reason === null ? '' : ` (${reason})`}`, () => {
  let system: System;
  let browser: Browser;
  let profile: string;
  beforeAll(async () => {
    system = await startSystem();
    profile = mkdtempSync(join(tmpdir(), 'sluice-browser-'));
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ];
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args,
      env: { ...process.env, HOME: profile } as Record<string, string>,
    });
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await system.stop();
    rmSync(profile, { recursive: true, force: true });
  }, 60_000);

  it('triggers an ingestion with "Execute", and its rows arrive', async () => {
    await system.write('seen/0.csv', lines(0, 25));
    const { id } = await created(system, {
      source: { type: 'file', path: `${system.folder}/seen`, file_pattern: '*.csv' },
      destination: { schema: 'public', table: 'seen', write_mode: 'append' },
    });
    const page = await browser.newPage({ viewport: { width: 1180, height: 1480 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(system.docsUrl);
    const answer = await executed(page, id);
    expect(await answer.locator('tbody .response-col_status').first().innerText()).toContain('202');
    const body = JSON.parse(await answer.locator('.highlight-code pre, pre.microlight').first().innerText()) as Record<
      string,
      string
    >;
    expect(body).toMatchObject({
      status: 'triggered',
      method: 'prefect',
      message: 'Ingestion run triggered via Prefect',
    });
    if (PICTURE !== undefined) await page.screenshot({ path: PICTURE });
    expect(await endOf(system, body['run_id'] ?? '')).toMatchObject({
      status: 'success',
      metrics: { rows_ingested: 25 },
    });
    expect(errors).toEqual([]);
  }, 90_000);
});

/** Opens the trigger's block (ready to be tried out), fills in the id, executes it, and gives the block with the live answer. */
async function executed(page: Page, id: string): Promise<Locator> {
  const block = page.locator('.opblock-post', { has: page.locator('[data-path="/api/v1/ingestions/{id}/run"]') });
  await block.locator('.opblock-summary').click();
  await block.locator('tr[data-param-name="id"] input').fill(id);
  const body = block.locator('textarea.body-param__text');
  if ((await body.count()) > 0) await body.fill('{}');
  await block.getByRole('button', { name: 'Execute' }).click();
  const live = block.locator('.live-responses-table');
  await live.waitFor({ timeout: 15_000 });
  await page.evaluate("document.querySelector('.opblock.is-open').scrollIntoView()");
  return live;
}

function whichChromium(): string | null {
  try {
    return execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'], {
      encoding: 'utf8',
    }).trim();
  } catch {
    return null;
  }
}
