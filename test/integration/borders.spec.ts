import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(__dirname, '../..');
const COPIED = ['apps', 'libs', 'test', 'tools', 'tsconfig.json', 'package.json', '.dependency-cruiser.cjs'];
const run = promisify(execFile);

interface Violation {
  from: string;
  rule: { name: string };
}

/** Copies the code to a folder outside the tree, so that nothing planted can stay behind. */
function copyOfTheCode(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-borders-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** What `npm run borders` says about the code in `folder`: `rule: file`, once each. */
async function violationsIn(folder: string): Promise<string[]> {
  const tool = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [tool, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'apps', 'libs', 'test'];
  const { stdout } = await run(process.execPath, args, { cwd: folder, maxBuffer: 256 * 1024 * 1024 });
  const { summary } = JSON.parse(stdout) as { summary: { violations: Violation[] } };
  return [...new Set(summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`))].sort();
}

const PLANTED = [
  ['libs/ingestion', "import '@sluice/batch-orchestrator';", 'single-path'],
  ['apps/api', "import '@sluice/batch-orchestrator';", 'single-path'],
  ['apps/maintenance', "import '@sluice/batch-orchestrator';", 'single-path'],
  ['libs/ingestion', "export type * from '@sluice/batch-orchestrator';", 'single-path'],
  ['apps/api', "export const load = () => import('@sluice/batch-orchestrator');", 'single-path'],
  ['libs/ingestion', "import '../../connectors/src/detour';", 'single-path'],
  ['libs/ingestion', "import 'node:child_process';", 'api-starts-no-process'],
  ['apps/api', "import 'child_process';", 'api-starts-no-process'],
  ['apps/api', "import 'node:worker_threads';", 'api-starts-no-process'],
  ['libs/ingestion', "import 'node:cluster';", 'api-starts-no-process'],
  ['apps/api', "import '../../flow-runner/src/main';", 'flow-runner-is-a-process'],
  ['apps/api', "import '../../preview/src/main';", 'preview-is-a-process'],
  ['libs/connectors', "import '../../../apps/preview/src/main';", 'preview-is-a-process'],
  ['apps/preview', "import '@sluice/batch-orchestrator';", 'preview-only-looks'],
  ['apps/preview', "import '@sluice/ingestion';", 'preview-only-looks'],
  ['apps/preview', "import '@sluice/database';", 'preview-only-looks'],
  ['libs/ingestion', "import '../../../apps/flow-runner/src/main';", 'flow-runner-is-a-process'],
  ['libs/ingestion', "import 'axios';", 'only-the-gateway-speaks-http'],
  ['apps/api', "import '../../../libs/orchestration-gateway/src/names';", 'one-front-door'],
  ['libs/kernel', "import '@sluice/ingestion';", 'kernel-imports-nothing'],
  ['libs/connectors', "import '@sluice/ingestion';", 'connectors-imports-kernel'],
  ['libs/ingestion', "import '@sluice/nowhere';", 'everything-resolves'],
  ['libs/database', "import 'supertest';", 'only-shipped-packages'],
] as const;
const fileOf = (room: string, index: number): string => `${room}/src/planted-${index}.ts`;

function plantAll(folder: string): void {
  const write = (file: string, source: string) => writeFileSync(join(folder, file), `${source}\n`);
  PLANTED.forEach(([room, source], index) => write(fileOf(room, index), source));
  write('libs/connectors/src/detour.ts', "export * from '@sluice/batch-orchestrator';");
}

describe('the borders between the rooms', () => {
  const folders: string[] = [];
  const freshCopy = (): string => {
    const folder = copyOfTheCode();
    folders.push(folder);
    return folder;
  };
  let found: string[];

  beforeAll(async () => {
    const folder = freshCopy();
    plantAll(folder);
    found = await violationsIn(folder);
  }, 120_000);
  afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  it('hold in the code as it is', async () => {
    expect(await violationsIn(freshCopy())).toEqual([]);
  }, 120_000);

  it.each(PLANTED.map((planted, index) => [...planted, index] as const))(
    'close %s to `%s` (%s)',
    (room, _source, rule, index) => {
      expect(found).toContain(`${rule}: ${fileOf(room, index)}`);
    },
  );
});
