import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startApi, type Api } from '../support/api';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

type Answers = Record<string, { content?: Record<string, { schema: unknown }> }>;
const operations = (): [string, Answers][] =>
  Object.entries(api.document.paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, { responses: Answers }>).map(
      ([method, { responses }]) => [`${method} ${path}`, responses] as [string, Answers],
    ),
  );

describe('the OpenAPI document', () => {
  it('is the one that is committed', async () => {
    const committed: unknown = JSON.parse(readFileSync(join(__dirname, '../../apps/api/openapi.json'), 'utf8'));
    expect(committed).toEqual((await api.call('get', '//openapi.json')).body);
  });

  it('shows the routes of the wire contract', () => {
    expect(
      operations()
        .map(([route]) => route)
        .sort(),
    ).toEqual([
      'delete /api/v1/ingestions/{id}',
      'delete /api/v1/ingestions/{id}/files',
      'get /api/v1/events',
      'get /api/v1/ingestions',
      'get /api/v1/ingestions/{id}',
      'get /api/v1/ingestions/{id}/files',
      'get /api/v1/ingestions/{id}/rejected-rows',
      'get /api/v1/ingestions/{id}/runs',
      'get /api/v1/ingestions/{id}/schema-versions',
      'get /api/v1/ingestions/{id}/schema-versions/{n}',
      'get /api/v1/orchestration/drift',
      'get /api/v1/orchestration/status',
      'get /api/v1/runs/{run_id}',
      'get /api/v1/runs/{run_id}/logs',
      'get /api/v1/runs/{run_id}/rejected-rows',
      'get /health/orchestration',
      'get /healthz',
      'get /livez',
      'get /metrics',
      'get /readyz',
      'patch /api/v1/ingestions/{id}',
      'post /api/v1/ingestions',
      'post /api/v1/ingestions/preview',
      'post /api/v1/ingestions/{id}/files/retry',
      'post /api/v1/ingestions/{id}/pause',
      'post /api/v1/ingestions/{id}/refresh/full',
      'post /api/v1/ingestions/{id}/refresh/new-only',
      'post /api/v1/ingestions/{id}/resume',
      'post /api/v1/ingestions/{id}/run',
      'post /api/v1/orchestration/reconcile',
      'post /api/v1/runs/{run_id}/cancel',
      'post /api/v1/runs/{run_id}/retry',
      'put /api/v1/ingestions/{id}',
    ]);
  });

  it('gives every problem the schema of a problem, and every route one success', () => {
    for (const [route, responses] of operations()) {
      const successes = Object.keys(responses).filter((status) => status.startsWith('2'));
      expect([route, successes.length]).toEqual([route, 1]);
      const problems = Object.entries(responses).filter(([status]) => !status.startsWith('2'));
      for (const [status, { content }] of problems) {
        expect([route, status, content]).toEqual([
          route,
          status,
          { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        ]);
      }
    }
  });

  it('says which limits take fractions, as the rules do', () => {
    const { components } = JSON.parse(JSON.stringify(api.document)) as {
      components: { schemas: Record<string, { properties?: Record<string, { type?: string }> }> };
    };
    const types = (name: string) =>
      Object.values(components.schemas).flatMap(({ properties }) => properties?.[name]?.type ?? []);
    expect(types('max_drop_percent')).toEqual(['number', 'number']);
    expect(types('min_rows')).toEqual(['integer', 'integer']);
  });

  it('holds no reference that leads nowhere', () => {
    const names = [...JSON.stringify(api.document).matchAll(/#\/components\/schemas\/(\w*)/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !(name! in (api.document.components?.schemas ?? {})))).toEqual([]);
  });
});

describe('Swagger UI', () => {
  it('is served at /docs, and its scripts may run', async () => {
    const page = await api.call('get', '//docs');
    expect([page.status, page.type]).toEqual([200, 'text/html']);
    const policy = page.headers['content-security-policy'] ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('upgrade-insecure-requests');
    const scripts = [...page.text.matchAll(/<script src="([^"]+)"/g)].map(([, src]) => src!);
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      const url = new URL(script, 'http://x/docs');
      expect((await api.call('get', `/${url.pathname}`)).status).toBe(200);
    }
    expect(page.text).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>\s*\S/);
  });
});
