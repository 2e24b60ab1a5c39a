import tseslint from 'typescript-eslint';

const only = (where) => `Only ${where}.`;

/** Prefect's words: a path of its REST API, or the name of one of its states. They stop at libs/orchestration-gateway. */
const PREFECT_PATH = '^/?(api/)?(deployments|flow_runs|flows|work_pools|task_runs|artifacts|logs|csrf-token)/';
const PREFECT_STATE =
  '^(SCHEDULED|PENDING|RUNNING|PAUSED|CANCELLING|CANCELLED|COMPLETED|FAILED|CRASHED|AwaitingRetry|AwaitingConcurrencySlot)$';
const prefectWords = [PREFECT_PATH, PREFECT_STATE].flatMap((pattern) => {
  const regex = `/${pattern.replaceAll('/', '\\/')}/`;
  const message = only('libs/orchestration-gateway may know a URL or a state name of Prefect');
  return [
    { selector: `Literal[value=${regex}]`, message },
    { selector: `TemplateElement[value.cooked=${regex}]`, message },
  ];
});

/** `any` holds its sources weakly: a timeout that nobody else holds may be collected before it fires (nodejs/node#57736). */
const forgottenTimeout = {
  selector: `CallExpression[callee.object.name='AbortSignal'][callee.property.name='any'] CallExpression[callee.property.name='timeout']`,
  message: 'Memory may be collected before it fires. Use setTimeout and an AbortController.',
};

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.sluice/', '**/generated/', 'data/'] },
  ...tseslint.configs.strictTypeChecked,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-restricted-syntax': ['error', forgottenTimeout],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // Types are shapes here: a DTO may be a literal, and nobody asks for its class.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Numbers and booleans read well in a sentence; objects do not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // A Nest module is a class without members.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // `() => doIt()` and `return void doIt()` are shorter than a block and say the same.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidOperator: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // `for (;;)` and `while (true)` are loops that end by `return`.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'always' }],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/kernel/src/config.ts', 'apps/*/src/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message: only("libs/kernel/src/config.ts reads the environment; an app's main.ts hands it over"),
        },
      ],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['**/*.spec.ts', 'libs/orchestration-gateway/**'],
    rules: { 'no-restricted-syntax': ['error', forgottenTimeout, ...prefectWords] },
  },
  {
    // Tests look into answers whose shape they assert, and hand over methods as they are.
    files: ['**/*.spec.ts', 'test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
    },
  },
  {
    // Scripts talk to a person on the terminal; tsc checks their types (tools/tsconfig.json).
    files: ['**/*.mjs', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
    rules: { 'no-console': 'off', '@typescript-eslint/no-require-imports': 'off' },
  },
);
