import { Inject, Injectable } from '@nestjs/common';
import { configuredSource, type SourceEntry, SourceError } from '@sluice/connectors';
import { CONFIG, type Config, ValueError } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import type { IngestionRow } from './ingestion.entity';
import type { RefreshEstimate } from './views';

/** Entries of the listing that are compared with the mirror at once. */
const CHUNK = 1_000;
/** For the whole listing. */
const PATIENCE_MS = 30_000;

const KNOWN = `
SELECT path, rows::float8 AS rows, bytes::float8 AS bytes FROM sluice_control.processed_file
WHERE ingestion_id = $1 AND (status IN ('loaded', 'changed') OR load_id IS NOT NULL) AND path = ANY ($2)`;

const DENSITY = `
SELECT sum(rows)::float8 / nullif(sum(bytes), 0)::float8 AS rows_per_byte FROM sluice_control.processed_file
WHERE ingestion_id = $1 AND status IN ('loaded', 'changed')`;

interface Known {
  path: string;
  rows: number;
  bytes: number;
}

/** What a refresh would do, from the listing of now and the mirror. Neither is held in memory. */
@Injectable()
export class RefreshEstimation {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly dataSource: DataSource,
  ) {}

  async of(row: IngestionRow, scope: 'full' | 'new_only'): Promise<RefreshEstimate> {
    const sum = new Sum(scope);
    try {
      for await (const chunk of chunks(
        configuredSource(row.source, this.config).list(AbortSignal.timeout(PATIENCE_MS)),
      )) {
        const paths = chunk.map(({ path }) => path);
        sum.add(chunk, await rowsOf<Known>(this.dataSource, KNOWN, [row.id, paths]));
      }
    } catch (error) {
      throw unlisted(error);
    }
    const [density] = await rowsOf<{ rows_per_byte: number | null }>(this.dataSource, DENSITY, [row.id]);
    return sum.estimate(density?.rows_per_byte ?? null);
  }
}

/** Counts what is listed. A known path that has another size now is estimated like a new one. */
class Sum {
  private files = 0;
  private bytes = 0;
  private knownRows = 0;
  private newBytes = 0;

  constructor(private readonly scope: 'full' | 'new_only') {}

  add(entries: readonly SourceEntry[], known: readonly Known[]): void {
    const byPath = new Map(known.map((file) => [file.path, file]));
    for (const entry of entries) this.addOne(entry, byPath.get(entry.path));
  }

  estimate(rowsPerByte: number | null): RefreshEstimate {
    const { files, bytes } = this;
    if (rowsPerByte === null && this.newBytes > 0) return { files, bytes, rows: null };
    return { files, bytes, rows: this.knownRows + Math.round(this.newBytes * (rowsPerByte ?? 0)) };
  }

  private addOne(entry: SourceEntry, known: Known | undefined): void {
    if (known && this.scope === 'new_only') return;
    this.files += 1;
    this.bytes += entry.bytes;
    if (known?.bytes === entry.bytes) this.knownRows += known.rows;
    else this.newBytes += entry.bytes;
  }
}

async function* chunks(listing: AsyncIterable<SourceEntry>): AsyncGenerator<SourceEntry[]> {
  let chunk: SourceEntry[] = [];
  for await (const entry of listing) {
    chunk.push(entry);
    if (chunk.length === CHUNK) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

function unlisted(error: unknown): unknown {
  if (error instanceof SourceError) return new ValueError(error.message, 'source.path', { cause: error });
  if (!(error instanceof DOMException && error.name === 'TimeoutError')) return error;
  return new ValueError(
    `The source could not be listed within ${PATIENCE_MS / 1000} s: it holds too many files to count here.`,
    'dry_run',
    { cause: error },
  );
}
