import { ExpandsTooFar } from '../expansion/budget';
import type { Files, FormatChoice } from '../files';
import type { CsvDialect, ReadPlan, Rejection } from '../formats/format-reader';
import { inferAll } from '../schema/infer';
import type { SourceEntry } from '../sources/source';
import { columnWarnings, previewColumns } from './columns';
import { Density } from './density';
import { listed } from './listing';
import type { Preview, PreviewColumn, SchemaHints } from './preview';
import { readSome, type Reading, type Wanted } from './reading';
import { shortened, ShownRows } from './shown-rows';

const MIB = 1024 * 1024;
/** Files that types are found out from, and the expanded bytes of each. */
const SAMPLE_FILES = 10;
const SAMPLE_BYTES = MIB;
/** Expanded bytes that are read with the types found out, of all files together. */
const TYPED_BYTES = 8 * MIB;
const SHOWN_REJECTIONS = 20;

export interface PreviewOptions {
  files: Files;
  format: FormatChoice;
  hints: SchemaHints;
  /** Files open to fewer expanded bytes than in a run: one beyond that is not at fault. */
  opensLess: boolean;
  /** Aborts when time is up: what was found until then is the answer. */
  signal: AbortSignal;
}

/** Looks at files, each look bounded; after each it gives what is known so far. Raises `SourceError`. */
export async function* previewOf(options: PreviewOptions): AsyncGenerator<Preview> {
  const previewing = new Previewing(options);
  for (const look of [
    () => previewing.list(),
    () => previewing.infer(),
    () => previewing.show(),
    () => previewing.try(),
  ]) {
    if (!(await inTime(look(), options.signal))) {
      yield previewing.cut();
      return;
    }
    yield previewing.found;
  }
}

/** False: time is up, and nobody waits for the look any more. */
async function inTime(look: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const late = new Promise<'late'>((resolve) => {
    if (signal.aborted) resolve('late');
    signal.addEventListener('abort', () => resolve('late'), { once: true });
  });
  const ended = look.then(
    () => 'ended' as const,
    (error: unknown) => {
      if (signal.aborted) return 'late' as const;
      throw error;
    },
  );
  return (await Promise.race([ended, late])) === 'ended';
}

class Previewing {
  readonly found: Preview = {
    ...{ columns: [], rows: [], files: 0, bytes: 0 },
    ...{ estimated_rows: null, rejected: [], warnings: [] },
  };
  private sample: SourceEntry[] = [];
  private dialect: CsvDialect | null = null;

  constructor(private readonly options: PreviewOptions) {}

  async list(): Promise<void> {
    const { files, format, signal } = this.options;
    const { sample, warnings, ...counts } = await listed(files, format, SAMPLE_FILES, signal);
    this.sample = sample;
    Object.assign(this.found, counts);
    this.found.warnings.push(...warnings);
  }

  async infer(): Promise<void> {
    const { files, hints } = this.options;
    const { columns, dialect } = await inferAll(files, this.sample, files.given, SAMPLE_BYTES);
    this.dialect = dialect;
    this.found.columns = previewColumns(columns, hints);
    this.found.warnings.push(...columnWarnings(columns, this.found.columns, hints));
  }

  /** The first rows of the first file that has any, as text. */
  async show(): Promise<void> {
    const shown = new ShownRows(this.found.columns);
    const plan = this.plan((column) => ({ ...column, type: 'text' }));
    const take: Wanted['take'] = (row, names) => shown.take(row, names);
    for (const entry of this.sample) {
      await this.read(entry, { plan, take, reject: () => undefined, budget: TYPED_BYTES });
      if (shown.rows.length > 0) break;
    }
    this.found.rows = shown.rows;
    this.found.warnings.push(...shown.warnings());
  }

  /** Reads with the types found out: what would be refused, and how many rows there are. */
  async try(): Promise<void> {
    const [density, plan] = [new Density(), this.plan((column) => column)];
    let left = TYPED_BYTES;
    for (const entry of this.sample) {
      if (left <= 0) break;
      const reject = (rejection: Rejection) => this.reject(entry.path, rejection);
      const reading = await this.read(entry, { plan, take: null, reject, budget: left });
      left -= reading.read || entry.bytes;
      density.add(entry, reading);
      this.tell(entry.path, reading);
    }
    this.found.estimated_rows = this.found.files === 0 ? 0 : density.estimate(this.found.bytes);
  }

  cut(): Preview {
    const warnings = [...this.found.warnings, 'Time was up. What is shown is what was found until then.'];
    return { ...this.found, warnings };
  }

  private read(entry: SourceEntry, wanted: Wanted): Promise<Reading> {
    return readSome(this.options.files, entry, wanted, this.options.signal);
  }

  private tell(file: string, { fault, whole, rows }: Reading): void {
    if (fault === null) {
      if (!whole && rows === 0) this.found.warnings.push(endless(file));
      return;
    }
    if (this.options.opensLess && fault instanceof ExpandsTooFar) {
      this.found.warnings.push(`${file} ${TOO_FAR}`);
      return;
    }
    const { line = null, column = null } = fault.place;
    this.found.rejected.push({ file, line, column, reason: fault.message, raw: '' });
  }

  private plan(as: (column: LoadableColumn) => LoadableColumn): ReadPlan {
    const columns = this.found.columns.map(({ source, name, type }) => as({ source, name, type }));
    return {
      ...{ columns, dialect: this.dialect, given: this.options.files.given },
      ...{ unknown: 'ignore', unfit: 'refuse', badRows: 'reject' },
    };
  }

  private reject(file: string, { line, column, reason, raw }: Rejection): void {
    if (this.found.rejected.length >= SHOWN_REJECTIONS) return;
    this.found.rejected.push({ file, line, column, reason, raw: shortened(raw) });
  }
}

const TOO_FAR =
  'was not looked at, or not to its end: it expands to more than a preview opens. A run may still load it.';

type LoadableColumn = Pick<PreviewColumn, 'source' | 'name' | 'type'>;

function endless(path: string): string {
  return `No row of ${path} ends within its first ${TYPED_BYTES / MIB} MiB: is a quote never closed? Look at format.options.`;
}
