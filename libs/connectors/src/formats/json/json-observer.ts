import type { RawRecord } from '../bad-rows';
import type { InferredColumn } from '../format-reader';
import { ColumnEvidence, type ValueKind } from '../inference';
import { NestedFields } from './json-fields';
import { emptySpans, Kind, NOWHERE } from './json-members';
import type { RecordListener } from './json-records';

/** By how a value is written. */
const KINDS: Partial<Record<Kind, ValueKind>> = {
  [Kind.String]: 'string',
  [Kind.Escaped]: 'string',
  [Kind.Number]: 'number',
  [Kind.Boolean]: 'boolean',
  [Kind.Nested]: 'nested',
};

interface ObservedColumn {
  evidence: ColumnEvidence;
  nested: NestedFields;
}

/** Gathers what records say of their columns, in the order first seen. Records that are bad say nothing but their names. */
export class JsonObserver implements RecordListener {
  readonly spans;
  private readonly columns: ObservedColumn[] = [];
  private readonly slots = new Map<string, number>();
  private readonly most: number;

  /** One more than a table can hold is enough to say so. */
  constructor(maxColumns: number) {
    this.most = maxColumns + 1;
    this.spans = emptySpans(this.most);
  }

  get inferred(): InferredColumn[] {
    return this.columns.map(({ evidence: { source, type, why }, nested }) => {
      const { fields } = nested;
      return { source, type, why, ...(type === 'jsonb' && fields !== undefined && { fields }) };
    });
  }

  slotOf(name: string): number {
    const known = this.slots.get(name);
    if (known !== undefined) return known;
    if (this.columns.length === this.most) return NOWHERE;
    this.slots.set(name, this.columns.length);
    return this.columns.push({ evidence: new ColumnEvidence(name), nested: new NestedFields() }) - 1;
  }

  aside(): void {
    // No member is told one by one.
  }

  drop(): void {
    this.spans.kinds.fill(Kind.Absent);
  }

  end({ bytes, line }: RawRecord): null {
    const { kinds, starts, ends } = this.spans;
    this.columns.forEach(({ evidence, nested }, slot) => {
      const kind = KINDS[kinds[slot] as Kind];
      kinds[slot] = Kind.Absent;
      if (kind === undefined) return;
      const [start, end] = [starts[slot] as number, ends[slot] as number];
      const inset = kind === 'string' ? 1 : 0;
      evidence.observe(kind, bytes, start + inset, end - inset, line ?? 0);
      if (kind === 'nested') nested.visit(bytes, start, end);
    });
    return null;
  }
}
