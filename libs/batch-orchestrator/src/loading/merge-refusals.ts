import {
  BadFile,
  type Files,
  type LoadedFile,
  type MergedRow,
  type OpenedFile,
  type ReadableFile,
  type ReadPlan,
  type RowRefused,
  type SourceEntry,
} from '@sluice/connectors';
import type { TableSchema } from '../schema/table-schema';
import { refusedByServer } from '../tally';
import { within } from './file-load';
import { Refusals } from './refusals';

/** What a refused merge means for one of its files. */
export interface Verdict {
  entry: SourceEntry;
  /** `null`: its rows are left out at the next try. */
  error: BadFile | null;
}

/** Rows that the server refused when they were merged: found in their files again, and left out where the quality rules allow it. */
export class MergeRefusals {
  private readonly byPath = new Map<string, Refusals>();

  constructor(
    private readonly files: Files,
    private readonly schema: TableSchema,
  ) {}

  /** Kept only for files that have any: there may be very many without. */
  of(path: string): Refusals {
    return this.byPath.get(path) ?? new Refusals();
  }

  /** One verdict for each file with such rows; none: nobody knows which rows it was. `loaded`: the files of the transaction. */
  async judge(refused: RowRefused, loaded: readonly LoadedFile[]): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const file of loaded) {
      const rows = refused.merged.filter(({ loadId }) => loadId === file.loadId.toString());
      if (rows.length > 0) verdicts.push({ entry: file.entry, error: await this.verdict(file, rows) });
    }
    return verdicts;
  }

  /** Who reads the file again meets all that may be wrong with a file. */
  private async verdict({ entry }: LoadedFile, rows: readonly MergedRow[]): Promise<BadFile | null> {
    try {
      const readable = await this.files.open(entry);
      return await this.judged(readable, rows).finally(() => readable.file.close());
    } catch (error) {
      if (error instanceof BadFile) return error;
      throw error;
    }
  }

  private async judged(readable: ReadableFile, rows: readonly MergedRow[]): Promise<BadFile | null> {
    const refusals = this.of(readable.file.path);
    const mayLeaveOut = this.schema.plan(true).badRows === 'reject';
    const lines = await this.lines(readable, mayLeaveOut ? rows : rows.slice(0, 1));
    for (const [n, row] of rows.entries()) {
      const error = refusedByServer(row, lines[n] ?? row.record);
      if (!mayLeaveOut || refusals.isFull) throw within(readable, row.part, error);
      refusals.add(row.part, row.record, { column: row.column, reason: error.message });
    }
    this.byPath.set(readable.file.path, refusals);
    return null;
  }

  /** The lines the rows begin on; `null` where the format has none. Each part with such rows is read once more. */
  private async lines({ parts }: ReadableFile, rows: readonly MergedRow[]): Promise<(number | null)[]> {
    const known = new Map<number, ReadonlyMap<number, number | null>>();
    for (const index of new Set(rows.map(({ part }) => part))) {
      const records = rows.filter(({ part }) => part === index).map(({ record }) => record);
      const part = parts[index];
      if (part !== undefined) known.set(index, await linesOf(await part.reader.open(part.input, this.plan), records));
    }
    return rows.map(({ part, record }) => known.get(part)?.get(record) ?? null);
  }

  private get plan(): ReadPlan {
    return { ...this.schema.plan(true), badRows: 'reject' };
  }
}

async function linesOf(opened: OpenedFile, records: readonly number[]): Promise<Map<number, number | null>> {
  const lines = new Map<number, number | null>();
  try {
    await opened.copyTo({
      sink: () => Promise.resolve(true),
      loadId: 0n,
      numbered: true,
      reject: ({ record, line }) => lines.set(record, line),
      refused: new Map(records.map((record) => [record, { column: null, reason: '' }])),
      signal: new AbortController().signal,
    });
  } finally {
    opened.close();
  }
  return lines;
}
