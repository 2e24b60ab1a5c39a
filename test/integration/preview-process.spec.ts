import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Preview } from '@sluice/connectors';
import { expectProblem, startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';

/** What the API does with a preview process, which is played by small programs. */
let folder: string;
const apis: Api[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-preview-test-'));
});
afterAll(async () => {
  await Promise.all(apis.map((api) => api.close()));
  await rm(folder, { recursive: true, force: true });
});

let programs = 0;
/** An API whose preview process runs this; `$pid` is a file it may leave its process id in, `$seen` one for what it wants to show. */
async function withProgram(source: string): Promise<{ api: Api; file: (name: string) => string; temp: string }> {
  const base = join(folder, String((programs += 1)));
  const temp = await mkdtemp(`${base}-temp-`);
  const file = (name: string) => `${base}.${name}`;
  const filled = source.replace(/\$(\w+)/g, (_, name: string) => JSON.stringify(file(name)));
  await writeFile(file('mjs'), `import { writeFileSync as keep } from 'node:fs';\n${filled}`);
  const api = await startApi({
    SLUICE_PREVIEW_COMMAND: `'${process.execPath}' '${file('mjs')}'`,
    SLUICE_TEMP_DIR: temp,
    SLUICE_PREVIEW_MEMORY_MB: '128',
  });
  apis.push(api);
  return { api, file, temp };
}

const BODY = { source: { type: 'file', path: '/data/in', credentials: { token: 'hunter2' } } };
const preview = (api: Api, body: object = BODY) => api.call('post', '/ingestions/preview', body);
const FOUND: Preview = {
  columns: [{ source: 'A', name: 'a', type: 'bigint', why: 'Whole numbers.' }],
  rows: [{ a: '1' }],
  files: 1,
  bytes: 4,
  estimated_rows: 1,
  rejected: [{ file: 'a.csv', line: 3, column: 'a', reason: 'No number.', raw: 'x' }],
  warnings: ['Mind the gap.'],
};
const say = (line: object) => `process.stdout.write(${JSON.stringify(JSON.stringify(line))} + '\\n');`;
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a preview', () => {
  it('answers the last line its process wrote', async () => {
    const { api, temp } = await withProgram(say({ preview: { ...FOUND, rows: [] } }) + say({ preview: FOUND }));
    const response = await preview(api);
    expect([response.status, response.body]).toEqual([200, FOUND]);
    expect(await readdir(temp)).toEqual([]);
  });

  it('hands its process what to look at by standard input alone, and no URL of a database', async () => {
    const { api, file } = await withProgram(`
      let text = '';
      for await (const chunk of process.stdin) text += chunk;
      keep($seen, JSON.stringify({ task: JSON.parse(text), args: process.argv.slice(2), env: process.env }));
      ${say({ preview: FOUND })}`);
    const schema = { columns: { zip: 'varchar' }, all_text: true };
    expect((await preview(api, { ...BODY, format: { type: 'csv' }, schema })).status).toBe(200);
    const { task, args, env } = JSON.parse(await readFile(file('seen'), 'utf8')) as Record<string, never>;
    expect(task).toMatchObject({
      source: { type: 'file', path: '/data/in', file_pattern: '*', credentials: { token: 'hunter2' } },
      format: { type: 'csv', options: {} },
      schema: { columns: { zip: 'character varying' }, all_text: true, mode: 'infer' },
      settings: { SLUICE_FILE_ROOTS: ['/data'], SLUICE_READER_MEMORY_MB: 64 },
    });
    expect(args).toEqual([]);
    expect(JSON.stringify(env)).not.toMatch(/hunter2|postgres/);
    expect(env).toMatchObject({ NODE_OPTIONS: '--max-old-space-size=128' });
  });

  it('answers 400 for what its process says of the source', async () => {
    const message = 'The folder /data/in does not exist. Create it or correct source.path.';
    const { api } = await withProgram(say({ fault: { message, path: 'source.path' } }));
    expectProblem(
      await preview(api),
      { code: 'VALUE_ERROR', status: 400, title: 'A value is wrong', detail: message },
      { errors: [{ path: 'source.path', message }] },
    );
  });

  it('answers 400 when the files need more memory than it may use', async () => {
    const { api } = await withProgram('const all = []; for (;;) all.push(new Array(1e6).fill(Math.random()));');
    const response = await preview(api);
    expect([response.status, response.body.code]).toEqual([400, 'VALUE_ERROR']);
    expect(response.body.detail).toMatch(/^The files need more memory than a preview may use \(.*, 128 MiB\)\. /);
  });

  it('answers 500 without internals when its process fails for no reason of the files', async () => {
    const { api } = await withProgram(`${say({ preview: FOUND })} throw new Error('hunter2');`);
    const response = await preview(api);
    expect([response.status, response.body.code, response.text.includes('hunter2')]).toEqual([
      500,
      'INTERNAL_ERROR',
      false,
    ]);
  });

  it('that takes too long is ended after 10 s, and what was found until then is the answer', async () => {
    const { api, file } = await withProgram(`keep($pid, String(process.pid)); ${say({ preview: FOUND })} for (;;);`);
    const response = await preview(api);
    expect(response.status).toBe(200);
    expect(response.body).toEqual({
      ...FOUND,
      warnings: ['Mind the gap.', 'It was stopped after 10 s. What is shown is what was found until then.'],
    });
    expect(isAlive(Number(await readFile(file('pid'), 'utf8')))).toBe(false);
  });

  it('that says too much is ended, and the last whole line before is the answer', async () => {
    const { api } = await withProgram(
      `${say({ preview: FOUND })} for (;;) await new Promise((done) => process.stdout.write('x'.repeat(1 << 20), done));`,
    );
    const response = await preview(api);
    expect([response.status, response.body.columns]).toEqual([200, FOUND.columns]);
    expect((response.body as Preview).warnings.at(-1)).toMatch(/^It found more than an answer may hold\./);
  });
});

describe('of previews at once', () => {
  it('two are made, and the third is told to come again; later there is room', async () => {
    const { api, file } = await withProgram(`
      import { existsSync } from 'node:fs';
      keep($begun + process.pid, '');
      while (!existsSync($go)) await new Promise((resolve) => setTimeout(resolve, 20));
      ${say({ preview: FOUND })}`);
    const begun = async () =>
      (await readdir(folder)).filter((name) => join(folder, name).startsWith(file('begun'))).length;
    const two = [preview(api), preview(api)].map((call) => call.then(({ status }) => status));
    await until(async () => (await begun()) === 2);
    const response = await preview(api);
    expectProblem(response, {
      code: 'TOO_MANY_REQUESTS',
      status: 429,
      title: 'Too many requests',
      detail: '2 previews are under way already. Try again in some seconds.',
    });
    expect(response.headers['retry-after']).toBe('10');
    await writeFile(file('go'), '');
    expect(await Promise.all(two)).toEqual([200, 200]);
    expect((await preview(api)).status).toBe(200);
  });

  const PID = 'keep($pid, String(process.pid)); for (;;);';
  const begun = (file: (name: string) => string) =>
    until(async () => (await readFile(file('pid'), 'utf8').catch(() => '')) !== '');

  it('none outlives the API, which does not wait for it', async () => {
    const { api, file, temp } = await withProgram(PID);
    await api.app.listen(0);
    const response = preview(api).then(({ status }) => status);
    await begun(file);
    apis.splice(apis.indexOf(api), 1);
    const since = performance.now();
    await api.close();
    // It would be busy for 10 s.
    expect(performance.now() - since).toBeLessThan(9_000);
    expect(await response).toBe(500);
    expect(isAlive(Number(await readFile(file('pid'), 'utf8')))).toBe(false);
    expect(await readdir(temp)).toEqual([]);
  });

  it('one whose caller has gone is ended, and makes room', async () => {
    const { api, file, temp } = await withProgram(PID);
    const calls: { abort(): void }[] = [];
    const call = api.call('post', '/ingestions/preview', BODY, (it) => {
      calls.push(it);
      return it;
    });
    call.catch(() => undefined);
    await begun(file);
    calls[0]?.abort();
    const pid = Number(await readFile(file('pid'), 'utf8'));
    await until(() => !isAlive(pid));
    await until(async () => (await readdir(temp)).length === 0);
  });
});

describe('the body of a preview', () => {
  let api: Api;
  beforeAll(async () => {
    ({ api } = await withProgram(say({ preview: FOUND })));
  });

  it.each<[string, object, string]>([
    ['a source elsewhere', { source: { type: 'file', path: '/etc' } }, 'source.path'],
    ['a type that is none', { ...BODY, schema: { columns: { a: 'money' } } }, 'schema.columns.a'],
    [
      'a schedule that never fires',
      { ...BODY, schedule: { frequency: 'custom', cron_expression: '0 0 31 2 *' } },
      'schedule.cron_expression',
    ],
    [
      'a destination that is reserved',
      { ...BODY, destination: { schema: 'sluice', table: 't' } },
      'destination.schema',
    ],
    ['a name that is empty', { ...BODY, name: ' ' }, 'name'],
    ['no source', { name: 'x' }, 'source'],
    ['a field nobody knows', { ...BODY, sample: 5 }, 'sample'],
  ])('is checked as for create: %s', async (_what, body, path) => {
    const response = await preview(api, body);
    expect([response.status, response.body.errors[0].path]).toEqual([400, path]);
  });

  it('may be the one of create, and nothing of it is kept', async () => {
    const body = { ...BODY, name: 'trips', destination: { table: 'trips' }, schedule: { frequency: 'manual' } };
    expect((await preview(api, body)).status).toBe(200);
    expect((await api.call('get', '/ingestions')).body.items).toEqual([]);
    expect(api.fake.deployments).toEqual([]);
  });
});
