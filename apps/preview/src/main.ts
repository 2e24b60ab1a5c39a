import { inspect } from 'node:util';
import { text } from 'node:stream/consumers';
import { getHeapStatistics } from 'node:v8';
import {
  configuredSource,
  DuckDb,
  Files,
  formatReaders,
  previewOf,
  SourceError,
  type PreviewLine,
  type PreviewTask,
} from '@sluice/connectors';
import { endBeyond } from './watchdog';

const FAILED = 1;
/** The API ends it after 10 s; this is for when there is no API any more. */
const LIFE_MS = 15_000;
/** Of a process that has read nothing yet. The API sets V8's limit (SLUICE_PREVIEW_MEMORY_MB), and gives DuckDB half of that. */
const BASE_BYTES = 128 * 1024 * 1024;
/** What an archive or a compressed file may expand to here, at most: a look is to be quick and to leave room on the disk. */
const EXPANDED_BYTES = 256 * 1024 * 1024;

/**
 * Looks at files for the API: a task comes in (JSON on standard input, since it holds secrets), answers go out (see `PreviewLine`). It reads
 * what strangers wrote, so it has no URL of a database, a bounded memory and a bounded life.
 */
async function main(): Promise<void> {
  endBeyond({ ms: LIFE_MS, bytes: 2 * getHeapStatistics().heap_size_limit + BASE_BYTES });
  const task = JSON.parse(await text(process.stdin)) as PreviewTask;
  const duckDb = duckDbOf(task);
  try {
    for await (const preview of previewOf({ ...partsOf(task, duckDb), signal: AbortSignal.timeout(task.deadlineMs) }))
      await write({ preview });
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    await write({ fault: { message: error.message, path: 'source.path' } });
  }
}

function partsOf({ source, format, schema, settings }: PreviewTask, duckDb: DuckDb) {
  const expandedBytes = Math.min(settings.SLUICE_MAX_EXPANDED_BYTES, EXPANDED_BYTES);
  const folder = configuredSource(source, { ...settings, SLUICE_MAX_EXPANDED_BYTES: expandedBytes });
  const limits = {
    recordBytes: settings.SLUICE_MAX_RECORD_BYTES,
    columns: settings.SLUICE_MAX_COLUMNS,
    depth: settings.SLUICE_MAX_DEPTH,
  };
  const opensLess = expandedBytes < settings.SLUICE_MAX_EXPANDED_BYTES;
  return { files: new Files(folder, formatReaders(duckDb, limits), format), format, hints: schema, opensLess };
}

function duckDbOf({ settings }: PreviewTask): DuckDb {
  return new DuckDb({
    memoryMb: settings.SLUICE_READER_MEMORY_MB,
    threads: settings.SLUICE_READER_THREADS,
    tempDir: settings.SLUICE_TEMP_DIR,
  });
}

function write(line: PreviewLine): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

// A look that was cut by time may still be under way: nobody waits for it.
main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`${inspect(error)}\n`);
    process.exit(FAILED);
  },
);
