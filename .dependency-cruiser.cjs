/**
 * The borders of docs/design: imports point one way. Each rule says why it is there. `npm run borders` asks them all;
 * test/integration/borders.spec.ts plants forbidden imports and sees it fail.
 */

/** May `from` import these rooms, and itself; all other rooms are closed. */
const room = (from, allowed, comment) => ({
  name: `${from}-imports-${allowed.join('-') || 'nothing'}`,
  comment,
  severity: 'error',
  from: { path: `^libs/${from}/` },
  to: { path: '^(apps|libs|test|tools)/', pathNot: `^libs/(${[from, ...allowed].join('|')})/` },
});

/** Specs beside the code may use the test support. */
const SPEC = '\\.spec\\.ts$';
/** The one file of the API that starts a process. */
const PREVIEW_PROCESS = '^apps/api/src/preview/preview-process\\.ts$';
const shipped = (rule) => ({ ...rule, from: { ...rule.from, pathNot: SPEC } });

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'single-path',
      comment:
        'Every load goes through a Prefect flow run. If the API, the maintenance commands or the use cases could reach the orchestrator of batches, directly or through others, there would be a second way.',
      severity: 'error',
      from: { path: '^(apps/api|apps/maintenance|libs/ingestion)/' },
      to: { path: '^libs/batch-orchestrator/', reachable: true },
    },
    {
      name: 'flow-runner-is-a-process',
      comment: "The flow-runner is started by Prefect's worker and by nobody else: no code imports it.",
      severity: 'error',
      from: { pathNot: '^apps/flow-runner/' },
      to: { path: '^apps/flow-runner/' },
    },
    {
      name: 'api-starts-no-process',
      comment:
        'A load in a child process or a thread of the API would be a second way around Prefect, and would take the API down with it. One file starts one process, which looks at files and cannot load.',
      severity: 'error',
      from: { path: '^(apps/api|libs/ingestion)/', pathNot: [SPEC, PREVIEW_PROCESS] },
      to: { path: '^(node:)?(child_process|worker_threads|cluster)$' },
    },
    {
      name: 'preview-process-has-no-threads',
      comment: 'The one file that may start a process may do no more than that.',
      severity: 'error',
      from: { path: PREVIEW_PROCESS },
      to: { path: '^((node:)?(worker_threads|cluster)$|apps/|libs/)', pathNot: PREVIEW_PROCESS },
    },
    {
      name: 'preview-is-a-process',
      comment: 'The preview is started by the API as a process of its own: no code imports it.',
      severity: 'error',
      from: { pathNot: '^apps/preview/' },
      to: { path: '^apps/preview/' },
    },
    {
      name: 'preview-only-looks',
      comment:
        'The preview reads files that strangers wrote. What loads, what knows ingestions and what knows a database stays out of its reach.',
      severity: 'error',
      from: { path: '^apps/preview/' },
      to: { path: '^libs/(?!connectors/|kernel/)' },
    },
    {
      name: 'only-the-gateway-speaks-http',
      comment:
        'axios is how Prefect is spoken to. Only the gateway has it, so every failure of Prefect passes the one place that names it.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '^libs/orchestration-gateway/' },
      to: { path: '(^|/)node_modules/axios/' },
    },
    {
      name: 'wire-types-stay-in-the-gateway',
      comment: "The types generated from Prefect's OpenAPI document are Prefect's words; they stop at the gateway.",
      severity: 'error',
      from: { pathNot: '^libs/orchestration-gateway/' },
      to: { path: '^libs/orchestration-gateway/src/generated/' },
    },
    shipped(room('kernel', [], 'The kernel is what all others stand on.')),
    shipped(
      room('database', ['kernel'], 'The control database knows nothing of the domain; entities register themselves.'),
    ),
    shipped(room('connectors', ['kernel'], 'Sources, formats and destinations know neither ingestions nor runs.')),
    shipped(
      room('orchestration-gateway', ['kernel'], 'The gateway translates Prefect; it knows none of those who ask.'),
    ),
    shipped(
      room(
        'ingestion',
        ['kernel', 'database', 'orchestration-gateway', 'connectors'],
        'The use cases stand on the gateway, the connectors and the control database.',
      ),
    ),
    shipped(
      room(
        'batch-orchestrator',
        ['kernel', 'database', 'ingestion', 'connectors'],
        'The data plane knows its ingestion and its connectors; that Prefect started it is not its business.',
      ),
    ),
    {
      name: 'apps-are-apart',
      comment: 'Two processes share code through libs only.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'shipped-code-needs-no-test',
      comment: 'Nothing that runs in production imports test code or the scripts of the embedded stack.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: SPEC },
      to: { path: `^(test|tools)/|${SPEC}` },
    },
    {
      name: 'one-front-door',
      comment: 'A library is what its index.ts exports. Whatever else is needed is exported there, or not needed.',
      severity: 'error',
      from: { path: '^(apps|libs/[^/]+)/' },
      to: { path: '^libs/[^/]+/src/', pathNot: ['^$1/', '^libs/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'only-shipped-packages',
      comment: 'A development dependency is not there in production.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: SPEC },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'everything-resolves',
      comment: 'An import that resolves to nothing escapes all rules above.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|coverage|\\.sluice)/' },
    // Type-only imports count: a border is about what may be known, not only about what runs.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
