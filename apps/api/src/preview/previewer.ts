import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Preview, PreviewLine, PreviewTask } from '@sluice/connectors';
import type { PreviewOrder } from '@sluice/ingestion';
import { CONFIG, type Config, ValueError } from '@sluice/kernel';
import { TransportError } from '../problem/fault';
import { type PreviewEnd, runPreviewProcess } from './preview-process';

/** What a person waits for at most, ms. */
const PATIENCE_MS = 10_000;
/** When the process hands over what it has by itself; the rest is for starting and ending it. */
const DEADLINE_MS = 8_000;
const MAX_AT_ONCE = 2;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const NOTHING: Preview = {
  ...{ columns: [], rows: [], files: 0, bytes: 0 },
  ...{ estimated_rows: null, rejected: [], warnings: [] },
};

/** Previews, each in a process of its own: what files do to it is not done to the API. At most two at once. */
@Injectable()
export class Previewer implements OnModuleDestroy {
  private readonly stop = new AbortController();
  private underWay = 0;

  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** Ends early when `gone` aborts: nobody waits for the answer then. Errors: `ValueError` when the files or their source are at fault; a 429 when too many are under way. */
  async preview(order: PreviewOrder, gone: AbortSignal): Promise<Preview> {
    if (this.underWay >= MAX_AT_ONCE) throw tooMany();
    this.underWay += 1;
    try {
      const end = await this.look(order, gone);
      return gone.aborted ? NOTHING : this.answer(end);
    } finally {
      this.underWay -= 1;
    }
  }

  /** Before the server waits for the answers under way. */
  onModuleDestroy(): void {
    this.stop.abort();
  }

  /** In a temporary folder of its own, so that nothing spooled outlives it even when it is killed. */
  private async look(order: PreviewOrder, gone: AbortSignal): Promise<PreviewEnd> {
    const folder = await mkdtemp(join(this.config.SLUICE_TEMP_DIR, 'sluice-preview-'));
    try {
      return await runPreviewProcess({
        command: this.config.SLUICE_PREVIEW_COMMAND,
        cwd: this.config.SLUICE_RUNNER_WORKING_DIR,
        env: this.environment(folder),
        input: JSON.stringify(this.task(order, folder)),
        patienceMs: PATIENCE_MS,
        maxBytes: MAX_ANSWER_BYTES,
        signal: AbortSignal.any([this.stop.signal, gone]),
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** No URL and no key: it reads what strangers wrote. */
  private environment(folder: string): Record<string, string> {
    const memory = this.config.SLUICE_PREVIEW_MEMORY_MB;
    // eslint-disable-next-line no-restricted-properties -- no setting: the command is found where the API's own was
    const { PATH = '' } = process.env;
    return { PATH, TMPDIR: folder, NODE_OPTIONS: `--max-old-space-size=${memory}` };
  }

  private task({ source, credentials, format, schema }: PreviewOrder, folder: string): PreviewTask {
    const { config } = this;
    return {
      source: { ...source, credentials },
      format,
      schema: { columns: schema.columns, all_text: schema.all_text, mode: schema.mode },
      settings: {
        SLUICE_FILE_ROOTS: config.SLUICE_FILE_ROOTS,
        SLUICE_TEMP_DIR: folder,
        SLUICE_READER_MEMORY_MB: Math.min(config.SLUICE_READER_MEMORY_MB, config.SLUICE_PREVIEW_MEMORY_MB / 2),
        SLUICE_READER_THREADS: config.SLUICE_READER_THREADS,
        SLUICE_MAX_EXPANDED_BYTES: config.SLUICE_MAX_EXPANDED_BYTES,
        SLUICE_MAX_EXPANSION_RATIO: config.SLUICE_MAX_EXPANSION_RATIO,
        SLUICE_MAX_RECORD_BYTES: config.SLUICE_MAX_RECORD_BYTES,
        SLUICE_MAX_COLUMNS: config.SLUICE_MAX_COLUMNS,
        SLUICE_MAX_DEPTH: config.SLUICE_MAX_DEPTH,
      },
      deadlineMs: DEADLINE_MS,
    };
  }

  private answer(end: PreviewEnd): Preview {
    const line = end.line === null ? null : (JSON.parse(end.line) as PreviewLine);
    if (line !== null && 'fault' in line) throw new ValueError(line.fault.message, line.fault.path);
    const found = line?.preview ?? null;
    if (found !== null && end.how === 'ended' && end.code === 0) return found;
    if (end.how === 'late') return warned(found ?? NOTHING, `It was stopped after ${PATIENCE_MS / 1000} s. ${REST}`);
    if (end.how === 'too_much') return warned(found ?? NOTHING, `It found more than an answer may hold. ${REST}`);
    if (ranOutOfMemory(end)) throw this.outOfMemory();
    throw new Error(`The preview process failed (${end.signal ?? end.code ?? end.how}): ${end.complaint}`);
  }

  private outOfMemory(): ValueError {
    const memory = this.config.SLUICE_PREVIEW_MEMORY_MB;
    return new ValueError(
      `The files need more memory than a preview may use (SLUICE_PREVIEW_MEMORY_MB, ${memory} MiB). Look at fewer or smaller files with source.file_pattern, or give it more.`,
      'source',
    );
  }
}

const REST = 'What is shown is what was found until then.';

function warned(preview: Preview, warning: string): Preview {
  return { ...preview, warnings: [...preview.warnings, warning] };
}

/** V8 aborts when its heap is full; a kernel that is out of memory kills. */
function ranOutOfMemory({ how, signal, code, complaint }: PreviewEnd): boolean {
  if (how !== 'ended') return false;
  return signal === 'SIGKILL' || code === 137 || /heap out of memory|allocation failed/i.test(complaint);
}

function tooMany(): TransportError {
  return new TransportError({
    code: 'TOO_MANY_REQUESTS',
    detail: `${MAX_AT_ONCE} previews are under way already. Try again in some seconds.`,
    headers: { 'Retry-After': String(PATIENCE_MS / 1000) },
  });
}
