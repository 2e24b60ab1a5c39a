import { encoderOf, typeName } from '../../copy/column-encoder';
import type { CopyWriter } from '../../copy/copy-writer';
import type { RowTail } from '../../copy/row-tail';
import type { TextEncoder } from '../../copy/text-values';
import type { LoadColumn } from '../../column';
import { BadFile, UnknownColumns } from '../../errors';
import { type RawRecord, type RowFault, shown } from '../bad-rows';
import type { ReadPlan } from '../format-reader';
import { fieldName, NestedFields } from './json-fields';
import { ASIDE, emptySpans, Kind, NOWHERE, type Spans } from './json-members';
import type { RecordListener } from './json-records';
import { JsonStrings } from './json-strings';

const LF = 10;
const LONE_SURROGATE = 'half of a surrogate pair stands alone';

/** How one column takes the values of JSON. */
interface Target extends LoadColumn {
  encode: TextEncoder;
  /** JSON takes every value as it stands, text every value but strings, all others no nested value. */
  takes: 'json' | 'text' | 'scalar';
}

/** Writes each record as one row, in the order of the plan's columns. */
export class JsonRows implements RecordListener {
  readonly spans: Spans;
  /** The plan's columns that some record has. */
  readonly met: boolean[];
  private readonly targets: readonly Target[];
  private readonly slots: Map<string, number>;
  /** By slot: the nested fields to look for; `null` where nobody wants to know. */
  private readonly nested: readonly (NestedFields | null)[] | null;
  /** Names of this record that the plan does not know. */
  private readonly unknown = new Set<string>();
  private readonly tuple: number;
  private readonly strings = new JsonStrings();

  constructor(
    private readonly plan: ReadPlan,
    private readonly out: CopyWriter,
    private readonly tail: RowTail,
    private readonly maxColumns: number,
  ) {
    this.targets = plan.columns.map(targetOf);
    this.slots = new Map(plan.columns.map(({ source }, index) => [source, index]));
    this.spans = emptySpans(this.targets.length);
    this.met = this.targets.map(() => false);
    this.nested = nestedOf(plan);
    this.tuple = this.targets.length + tail.fields;
  }

  slotOf(name: string): number {
    const slot = this.slots.get(name);
    if (slot === undefined) return this.plan.unknown === 'ignore' ? NOWHERE : ASIDE;
    this.met[slot] = true;
    return slot;
  }

  aside(name: string, kind: Kind, bytes: Uint8Array, start: number, end: number): void {
    if (this.plan.unknown === 'report') this.unknown.add(name);
    else if (kind !== Kind.Null) this.tail.rescue(name, asText(bytes, start, end));
  }

  drop(): void {
    this.spans.kinds.fill(Kind.Absent);
    this.unknown.clear();
    this.tail.clear();
  }

  end(raw: RawRecord): RowFault | null {
    if (this.nested !== null) this.lookInto(raw.bytes, this.nested);
    if (this.unknown.size > 0) throw this.unknownColumns(raw);
    const { out, targets, tail } = this;
    const { kinds } = this.spans;
    out.beginRow(this.tuple);
    for (let slot = 0; slot < targets.length; slot++) {
      const fault = this.encode(slot, targets[slot] as Target, kinds[slot] as Kind, raw);
      if (fault !== null) {
        out.dropRow();
        this.drop();
        return fault;
      }
      kinds[slot] = Kind.Absent;
    }
    tail.write(out, raw.record);
    out.endRow();
    return null;
  }

  private encode(slot: number, target: Target, kind: Kind, raw: RawRecord): RowFault | null {
    const { out } = this;
    const { bytes } = raw;
    if (kind <= Kind.Null) {
      if (target.required === true) return this.missingKey(target, raw);
      out.nothing();
      return null;
    }
    const start = this.spans.starts[slot] as number;
    const end = this.spans.ends[slot] as number;
    let fits: boolean;
    if (target.takes === 'json') fits = target.encode(out, bytes, start, end);
    else if (kind === Kind.String) fits = target.encode(out, bytes, start + 1, end - 1);
    else if (kind === Kind.Escaped) return this.encodeEscaped(target, raw, start, end);
    else fits = (kind !== Kind.Nested || target.takes === 'text') && target.encode(out, bytes, start, end);
    return fits ? null : this.unfit(target, raw, start, end);
  }

  private encodeEscaped(target: Target, raw: RawRecord, start: number, end: number): RowFault | null {
    const { strings, out } = this;
    const length = strings.unescape(raw.bytes, start, end);
    if (length === -1) return faultOf('malformed', target, LONE_SURROGATE, lineAt(raw, start));
    return target.encode(out, strings.plain, 0, length) ? null : this.unfit(target, raw, start, end);
  }

  /** `null`: the value is put aside, and NULL is written for it. */
  private unfit(target: Target, raw: RawRecord, start: number, end: number): RowFault | null {
    if (this.plan.unfit === 'rescue' && target.required !== true) {
      this.tail.rescue(target.source, asText(raw.bytes, start, end));
      this.out.nothing();
      return null;
    }
    const problem = `${shown(raw.bytes, start, end)} cannot be stored as ${typeName(target)} without changing it`;
    return faultOf('type_mismatch', target, problem, lineAt(raw, start));
  }

  private missingKey({ source }: Target, { line }: RawRecord): RowFault {
    const reason = `Line ${line}, field ${source}: it is a merge key and has no value. Fill it in.`;
    return { type: 'type_mismatch', reason, line, column: source };
  }

  private lookInto(bytes: Uint8Array, nested: readonly (NestedFields | null)[]): void {
    const { kinds, starts, ends } = this.spans;
    nested.forEach((fields, slot) => {
      if (fields === null || kinds[slot] !== Kind.Nested) return;
      fields.visit(bytes, starts[slot] as number, ends[slot] as number);
      const { source } = this.targets[slot] as Target;
      for (const path of fields.fields ?? []) this.unknown.add(fieldName(source, path));
    });
  }

  private unknownColumns({ line }: RawRecord): Error {
    const { maxColumns, unknown, targets } = this;
    if (targets.length + unknown.size <= maxColumns) return new UnknownColumns([...unknown]);
    const message = `Line ${line}: with its fields there are more than ${maxColumns} columns, the most that SLUICE_MAX_COLUMNS allows. Split the file, or set on_schema_change to ignore.`;
    return new BadFile('limit', message, { line });
  }
}

function targetOf(column: LoadColumn): Target {
  const takes = ['json', 'jsonb'].includes(column.type)
    ? 'json'
    : ['text', 'character varying'].includes(column.type)
      ? 'text'
      : 'scalar';
  return { ...column, encode: encoderOf(column), takes };
}

function nestedOf({ columns, unknown }: ReadPlan): (NestedFields | null)[] | null {
  if (unknown !== 'report' || columns.every(({ fields }) => fields === undefined)) return null;
  return columns.map(({ fields }) => (fields === undefined ? null : new NestedFields(fields)));
}

function faultOf(type: RowFault['type'], { source }: Target, problem: string, line: number | null): RowFault {
  return { type, reason: `Line ${line}, field ${source}: ${problem}. Correct the value.`, line, column: source };
}

/** The line of a place in a record. */
function lineAt({ line, bytes, start }: RawRecord, at: number): number {
  let found = line ?? 0;
  for (let i = start; i < at; i++) if (bytes[i] === LF) found++;
  return found;
}

function asText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}
