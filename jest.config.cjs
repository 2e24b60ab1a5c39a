const names = ['kernel', 'ingestion', 'orchestration-gateway', 'batch-orchestrator', 'connectors', 'database'];
/** @type {import('jest').Config} */
module.exports = {
  rootDir: __dirname,
  testEnvironment: 'node',
  // Tests wait for conditions; this only ends what hangs, on slow machines too.
  testTimeout: 30_000,
  // Waiting is most of what the tests do.
  maxWorkers: 2,
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  testMatch: ['<rootDir>/{apps,libs,test,tools}/**/*.spec.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: Object.fromEntries(names.map((n) => [`^@sluice/${n}$`, `<rootDir>/libs/${n}/src`])),
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.sluice'],
};
