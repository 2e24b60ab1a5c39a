/** Writes `apps/api/openapi.json` from the built API; needs `dist/`, and neither a database nor Prefect. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { ROOT } from './stack/folders.mjs';

const target = join(ROOT, 'apps/api/openapi.json');
const main = join(ROOT, 'dist/apps/api/main.js');
const document = execFileSync(process.execPath, [main, '--openapi'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
writeFileSync(target, await format(document, { ...(await resolveConfig(target)), parser: 'json' }));
