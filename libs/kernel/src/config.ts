import { cpus, tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from './secret';

const MIB = 1024 * 1024;
const secretUrl = (protocols: RegExp) => z.url({ protocol: protocols }).transform((value) => new Secret(value));
/** One URL or several separated by commas, without blanks and trailing slashes. */
const urlList = (protocol: RegExp) =>
  z
    .string()
    .transform((list) => list.split(',').map((url) => url.trim().replace(/\/+$/, '')))
    .refine((urls) => urls.every((url) => z.url({ protocol }).safeParse(url).success), 'Invalid URL')
    .transform((urls) => urls.join(','));
const wholeNumber = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);

/** Every variable Sluice reads. `.env.example` lists the same names with unit and default; a test compares the two. */
const environment = z.object({
  /** TCP port of the API. */
  PORT: wholeNumber(3000, 0, 65535),
  /** Address the API listens on. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** `fatal|error|warn|info|debug|trace|silent`. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** The control database, `postgresql://...`. */
  DATABASE_URL: secretUrl(/^postgres(ql)?$/),
  /** The one database all destinations lie in. */
  DESTINATION_URL: secretUrl(/^postgres(ql)?$/),
  /** Base of Prefect's REST API, ending in `/api`. Several servers on one Prefect database: separated by commas, asked in this order. */
  PREFECT_API_URL: urlList(/^https?$/),
  /** `user:password` for Prefect's Basic authentication; none by default. */
  PREFECT_API_AUTH_STRING: z
    .string()
    .min(1)
    .optional()
    .transform((value) => (value === undefined ? undefined : new Secret(value))),
  /** Work pool that takes Sluice's flow runs. */
  PREFECT_WORK_POOL: z.string().min(1).default('sluice'),
  /** Command a process worker starts for one flow run. */
  SLUICE_RUNNER_COMMAND: z.string().min(1).default('node dist/apps/flow-runner/main.js'),
  /** Folder that command runs in. */
  SLUICE_RUNNER_WORKING_DIR: z
    .string()
    .min(1)
    .default('.')
    .transform((path) => resolve(path)),
  /** Seconds between two whole comparisons of all ingestions with all deployments in Prefect. */
  SLUICE_RECONCILE_SECONDS: wholeNumber(60, 0, 86_400),
  /** Seconds from when a worker takes a flow run until its process must be there; after that it counts as crashed. */
  SLUICE_START_SECONDS: wholeNumber(60, 1, 86_400),
  /** Folders below which local files may be read, separated by `:`. */
  SLUICE_FILE_ROOTS: z
    .string()
    .default('./data')
    .transform((list) =>
      list
        .split(':')
        .filter(Boolean)
        .map((path) => resolve(path)),
    ),
  /** 32 bytes in base64: the key stored credentials are encrypted with; without it credentials are refused. */
  SLUICE_SECRET_KEY: z
    .string()
    .refine((value) => Buffer.from(value, 'base64').length === 32, 'must be 32 bytes in base64')
    .optional()
    .transform((value) => (value === undefined ? undefined : new Secret(Buffer.from(value, 'base64')))),
  /** Command that looks at files for a preview, in a process of its own; run in SLUICE_RUNNER_WORKING_DIR. */
  SLUICE_PREVIEW_COMMAND: z.string().min(1).default('node dist/apps/preview/main.js'),
  /** Heap of the process that makes a preview, MiB; it is ended when it holds twice that and 128 MiB in all. */
  SLUICE_PREVIEW_MEMORY_MB: wholeNumber(512, 128, 1024 * 1024),
  /** Files that one destination transaction commits, at most. */
  SLUICE_BATCH_FILES: wholeNumber(100, 1, 1000),
  /** Bytes of source files that one destination transaction commits, at most (one larger file goes alone). */
  SLUICE_BATCH_BYTES: wholeNumber(256 * MIB, 1, 1024 * 1024 * MIB),
  /** Attempts at one file that fails, before it is quarantined. */
  SLUICE_FILE_ATTEMPTS: wholeNumber(5, 1, 100),
  /** Seconds before the second attempt at a failed file; each further pause is four times as long, one day at most. */
  SLUICE_FILE_RETRY_SECONDS: wholeNumber(60, 0, 86_400),
  /** Attempts within one run at what may pass (connection lost, lock time-out, deadlock, server restarting). */
  SLUICE_RUN_ATTEMPTS: wholeNumber(8, 1, 100),
  /** Milliseconds before the second of these attempts; each further pause is twice as long, one minute at most. */
  SLUICE_RUN_RETRY_MS: wholeNumber(1000, 0, 60_000),
  /** Bytes of one file after decompression, at most. */
  SLUICE_MAX_EXPANDED_BYTES: wholeNumber(1024 * 1024 * MIB, 1, Number.MAX_SAFE_INTEGER),
  /** How many times larger decompression may make a file (counted from its first 64 MiB on). */
  SLUICE_MAX_EXPANSION_RATIO: wholeNumber(1000, 1, 1_000_000),
  /** Bytes of one record (a CSV row, a JSON object) or line, at most. */
  SLUICE_MAX_RECORD_BYTES: wholeNumber(64 * MIB, 1024, 512 * MIB),
  /** Columns of a file, at most; PostgreSQL has 1,600, two of them are Sluice's. */
  SLUICE_MAX_COLUMNS: wholeNumber(1598, 1, 1598),
  /** Levels of nesting in a JSON value, at most. */
  SLUICE_MAX_DEPTH: wholeNumber(512, 1, 5000),
  /** Seconds without a heartbeat after which another run may take over the lease of a frozen one. */
  SLUICE_LEASE_SECONDS: wholeNumber(60, 2, 3600),
  /** Memory of the Parquet reader, MiB. */
  SLUICE_READER_MEMORY_MB: wholeNumber(160, 64, 1024 * 1024),
  /** Threads of the Parquet reader. */
  SLUICE_READER_THREADS: wholeNumber(Math.max(1, Math.min(4, cpus().length)), 1, 64),
  /** Folder for spooled files. */
  SLUICE_TEMP_DIR: z.string().min(1).default(tmpdir()),
  /** Runs in a row that fail before an event tells of it; 0: never. */
  SLUICE_WARN_AFTER_FAILURES: wholeNumber(20, 0, 1_000_000),
  /** Runs in a row that fail before the ingestion pauses itself; 0: never. */
  SLUICE_PAUSE_AFTER_FAILURES: wholeNumber(30, 0, 1_000_000),
  /** Where events are sent; secret, since many receivers know their senders by the address alone. */
  SLUICE_WEBHOOK_URL: z
    .url({ protocol: /^https?$/ })
    .refine((url) => !hasUser(url), 'must not hold a user or a password')
    .optional()
    .transform((value) => (value === undefined ? undefined : new Secret(value))),
  /** Key that events are signed with (HMAC-SHA256), as Standard Webhooks writes it. */
  SLUICE_WEBHOOK_SECRET: z
    .string()
    .refine((value) => isSigningKey(signingKey(value)), 'must be whsec_ and 24 to 64 bytes in base64')
    .optional()
    .transform((value) => (value === undefined ? undefined : new Secret(signingKey(value)))),
});

/** `fetch` refuses such an address at each call. */
function hasUser(url: string): boolean {
  return URL.canParse(url) && new URL(url).username + new URL(url).password !== '';
}

function signingKey(value: string): Buffer {
  const text = value.startsWith('whsec_') ? value.slice('whsec_'.length) : '';
  const key = Buffer.from(text, 'base64');
  return key.toString('base64') === text ? key : Buffer.alloc(0);
}

function isSigningKey({ length }: Buffer): boolean {
  return length >= 24 && length <= 64;
}

export type Config = z.output<typeof environment>;
export const CONFIG_NAMES: readonly string[] = Object.keys(environment.shape);

/** The environment is unusable: lists every problem by name and shows no value. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\nSee .env.example.`,
    );
    this.name = 'ConfigError';
  }
}

/** Reads the whole configuration at once. Empty variables count as not set. Throws `ConfigError` with all problems. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = environment.safeParse(given);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => `${issue.path.join('.')}: ${problemOf(issue, given)}`));
}

function problemOf(issue: z.core.$ZodIssue, given: Record<string, unknown>): string {
  return given[String(issue.path[0])] === undefined ? 'is not set' : issue.message;
}
