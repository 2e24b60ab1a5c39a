import {
  inferAll,
  type CsvDialect,
  type Files,
  type InferredColumn,
  type Retyping,
  type SourceEntry,
  together,
  widens,
} from '@sluice/connectors';
import type { SchemaChange } from '@sluice/ingestion';
import { type KnownColumn, watchedFields } from './differences';
import type { Hints } from './hints';

/** Files that are open at once. */
const FILES = 20;

/** What decided the types is no longer what the person says: the columns that get another type when the table is built anew, and the new ones. */
export class Renewal {
  private constructor(private readonly steps: readonly { before: KnownColumn; after: KnownColumn }[]) {}

  static readonly NONE = new Renewal([]);

  /** `found` is asked only when the files have a say. */
  static async of(
    columns: readonly KnownColumn[],
    hints: Hints,
    found: () => Promise<readonly InferredColumn[]>,
  ): Promise<Renewal> {
    const outdated = columns.filter((column) => hints.outdates(column));
    const isGiven = outdated.every(({ source }) => hints.given(source) !== undefined);
    const inferred = isGiven ? [] : await found();
    const steps = outdated.map((before) => ({ before, after: renewed(before, hints, inferred) }));
    return new Renewal(steps.filter(({ before, after }) => before.type !== after.type));
  }

  get retypings(): Retyping[] {
    return this.steps.map(({ after: { name, type } }) => ({ column: name, type }));
  }

  get changes(): SchemaChange[] {
    return this.steps.map(({ before, after }) => {
      const kind = widens(before.type, after.type) ? 'widened' : 'retyped';
      return { kind, column: after.name, type: after.type, before: before.type };
    });
  }

  /** The columns as they are in the new table. */
  applied(columns: readonly KnownColumn[]): KnownColumn[] {
    return columns.map((column) => this.steps.find(({ after }) => after.name === column.name)?.after ?? column);
  }

  has(source: string): boolean {
    return this.steps.some(({ after }) => after.source === source);
  }
}

function renewed(column: KnownColumn, hints: Hints, found: readonly InferredColumn[]): KnownColumn {
  const { source, name, locked } = column;
  const type = hints.typeOf(column, found);
  const seen = found.find((each) => each.source === source);
  const fields = seen === undefined ? {} : watchedFields({ ...seen, type });
  return { source, name, type, locked, asked: hints.asked(source, type), ...fields };
}

/** What all files have together, each looked at whole: every value will be loaded. */
export async function inferWhole(
  files: Files,
  entries: AsyncIterable<SourceEntry>,
  given: Partial<CsvDialect>,
): Promise<InferredColumn[]> {
  let found: InferredColumn[] = [];
  let group: SourceEntry[] = [];
  const look = async () => {
    found = together([...found, ...(await inferAll(files, group, given, Infinity)).columns]);
    group = [];
  };
  for await (const entry of entries) if (group.push(entry) === FILES) await look();
  if (group.length > 0) await look();
  return found;
}
