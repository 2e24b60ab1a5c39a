/** What Prefect's process worker expects in a work pool: each job field filled from a variable of the same name. */
const VARIABLES: Readonly<Record<string, object>> = {
  name: { title: 'Name', anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
  env: {
    title: 'Environment Variables',
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
  labels: { title: 'Labels', type: 'object', additionalProperties: { type: 'string' } },
  command: { title: 'Command', anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
  stream_output: { title: 'Stream Output', type: 'boolean', default: true },
  working_dir: {
    title: 'Working Directory',
    anyOf: [{ type: 'string', format: 'path' }, { type: 'null' }],
    default: null,
  },
};

export interface RunnerStart {
  /** The command one flow run is. Without it the worker would try to run Python. */
  command: string;
  /** Without it the worker runs the command in a temporary folder. */
  workingDir: string;
}

type Template = Record<string, unknown>;
interface Variables {
  properties?: Record<string, object>;
}

/** `template` with the two defaults that make a worker start our flow-runner; the rest of it is left as somebody made it. */
export function withRunner(template: Template, start: RunnerStart): Template {
  const variables = (template['variables'] ?? {}) as Variables;
  const properties = variables.properties ?? VARIABLES;
  return {
    ...template,
    job_configuration: template['job_configuration'] ?? jobConfiguration(),
    variables: { type: 'object', ...variables, properties: { ...properties, ...ours(properties, start) } },
  };
}

/** True when a worker of this pool would start our flow-runner. */
export function startsRunner(template: Template, start: RunnerStart): boolean {
  const properties = ((template['variables'] ?? {}) as Variables).properties ?? {};
  return (
    defaultOf(properties['command']) === start.command && defaultOf(properties['working_dir']) === start.workingDir
  );
}

const defaultOf = (variable: { default?: unknown } | undefined): unknown => variable?.default;

function jobConfiguration(): Record<string, string> {
  return Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, `{{ ${name} }}`]));
}

function ours(properties: Record<string, object>, { command, workingDir }: RunnerStart): Record<string, object> {
  return {
    command: { ...(properties['command'] ?? VARIABLES['command']), default: command },
    working_dir: { ...(properties['working_dir'] ?? VARIABLES['working_dir']), default: workingDir },
  };
}
