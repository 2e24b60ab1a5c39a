import { typeName } from '../../copy/column-encoder';
import { CopyWriter } from '../../copy/copy-writer';
import type { RowTail } from '../../copy/row-tail';
import type { LoadColumn } from '../../column';
import { type BadRows, type RowFault } from '../bad-rows';
import type { Match } from '../declared-columns';
import type { ReadPlan } from '../format-reader';
import type { AvroColumn } from './avro-file';
import { type Flaw, type Put, putInto } from './avro-form';
import type { AvroTap } from './avro-tap';

/** The fields of a file's records and where they go. */
export interface WantedFields {
  found: readonly AvroColumn[];
  matches: readonly Match<AvroColumn>[];
  plan: ReadPlan;
}

const LONGEST_SHOWN = 60;

/** One field and what becomes of its values. */
interface Field {
  column: AvroColumn;
  /** `null`: it has no column. */
  target: LoadColumn | null;
  put: Put<unknown>;
}

/** Turns the records of a file into COPY tuples, one after another. */
export class AvroRows {
  readonly out = new CopyWriter();
  /** Records read, the one being read included. */
  record = 0;
  private readonly fields: readonly Field[];
  private readonly values: unknown[];
  private readonly tuple: number;

  constructor(
    private readonly wanted: WantedFields,
    private readonly tail: RowTail,
    private readonly bad: BadRows,
  ) {
    const targets = new Map(wanted.matches.map(({ source, target }) => [source, target]));
    this.fields = wanted.found.map((column) => fieldFor(column, targets.get(column) ?? null));
    this.values = new Array<unknown>(this.fields.length).fill(null);
    this.tuple = wanted.matches.length + tail.fields;
  }

  /** Rows written. */
  get sent(): number {
    return this.out.rows;
  }

  /** Reads the next record and writes its row, or leaves it out. Raises `BadFile`, and what a tap raises. */
  next(tap: AvroTap): void {
    this.record++;
    for (let i = 0; i < this.fields.length; i++) this.values[i] = (this.fields[i] as Field).column.form.read(tap);
    const refusal = this.bad.anyRefused ? this.bad.refusal(this.record, this.record) : null;
    const fault = refusal ?? this.write();
    if (fault !== null) this.leave(fault);
  }

  private write(): RowFault | null {
    const { out, tail, fields } = this;
    out.beginRow(this.tuple);
    for (let i = 0; i < fields.length; i++) {
      const fault = this.writeField(fields[i] as Field, this.values[i]);
      if (fault === null) continue;
      out.dropRow();
      tail.clear();
      return fault;
    }
    tail.write(out, this.record);
    out.endRow();
    return null;
  }

  private writeField({ column, target, put }: Field, value: unknown): RowFault | null {
    if (target === null)
      return value === null || this.wanted.plan.unknown !== 'rescue' ? null : this.rescue(column, value);
    if (value === null && target.required === true)
      return this.fault(column, 'it is a merge key and has no value. Fill it in.');
    if (value === null) this.out.nothing();
    else if (!put(this.out, value)) return this.unfit(column, target, value);
    return null;
  }

  /** `null`: the value is put aside, and NULL is written for it. */
  private unfit(column: AvroColumn, target: LoadColumn, value: unknown): RowFault | null {
    if (this.wanted.plan.unfit !== 'rescue' || target.required === true) return this.misfit(column, target, value);
    this.out.nothing();
    return this.rescue(column, value);
  }

  private rescue(column: AvroColumn, value: unknown): RowFault | null {
    const flaw = column.form.flaw(value);
    if (flaw?.keepable === false) return this.flawed(column, flaw, value);
    this.tail.rescue(column.source, column.form.json(value));
    return null;
  }

  private misfit(column: AvroColumn, target: LoadColumn, value: unknown): RowFault {
    const flaw = column.form.flaw(value);
    if (flaw?.keepable === false) return this.flawed(column, flaw, value);
    const problem = `cannot be stored as ${typeName(target)} without changing it`;
    return this.fault(column, `${shown(column, value)} ${problem}. Correct the value.`);
  }

  private flawed(column: AvroColumn, { problem }: Flaw, value: unknown): RowFault {
    return this.fault(column, `${shown(column, value)} ${problem}. Correct the value.`);
  }

  private fault({ source }: AvroColumn, problem: string): RowFault {
    const reason = `Record ${this.record}, field ${source}: ${problem}`;
    return { type: 'type_mismatch', reason, line: this.record, column: source };
  }

  private leave(fault: RowFault): void {
    const members = this.fields.map(({ column: { source, form } }, index) => {
      const value = this.values[index];
      return `${JSON.stringify(source)}:${value === null ? 'null' : form.json(value)}`;
    });
    const bytes = Buffer.from(`{${members.join(',')}}`);
    this.bad.leave(fault, { record: this.record, line: null, bytes, start: 0, end: bytes.length });
  }
}

function fieldFor(column: AvroColumn, target: LoadColumn | null): Field {
  return { column, target, put: target === null ? () => true : putInto(column.form, target) };
}

/** PostgreSQL keeps no NUL, not even in messages. */
function shown({ form }: AvroColumn, value: unknown): string {
  return form.text(value).slice(0, LONGEST_SHOWN).replaceAll('\0', '\u2400');
}
