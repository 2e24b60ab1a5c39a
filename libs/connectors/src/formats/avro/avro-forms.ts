import type { AnyForm } from './avro-form';
import { DATE, DURATION, timeForm, timestampForm } from './avro-moments';
import { arrayForm, mapForm, nullable, recordForm, unionForm } from './avro-nested';
import {
  BOOLEAN,
  decimalForm,
  DOUBLE,
  enumForm,
  fixedForm,
  FLOAT,
  INT,
  LONG,
  NULL,
  SIZED_BYTES,
  STRING,
  UUID_BYTES,
  UUID_TEXT,
} from './avro-scalars';
import type { AvroRecord, AvroType, Logical } from './avro-types';

const PRIMITIVES = {
  null: NULL,
  boolean: BOOLEAN,
  int: INT,
  long: LONG,
  float: FLOAT,
  double: DOUBLE,
  bytes: SIZED_BYTES,
  string: STRING,
} as const;

/** What a logical type makes of the type below it; where it stands on another one, it says nothing (Avro specification). */
const LOGICAL: Readonly<Partial<Record<string, AnyForm>>> = {
  'int date': DATE,
  'int time-millis': timeForm('millis'),
  'long time-micros': timeForm('micros'),
  'string uuid': UUID_TEXT,
  'fixed uuid 16': UUID_BYTES,
  'fixed duration 12': DURATION,
  ...Object.fromEntries(
    (['millis', 'micros', 'nanos'] as const).flatMap((unit) => [
      [`long timestamp-${unit}`, timestampForm(unit, false)],
      [`long local-timestamp-${unit}`, timestampForm(unit, true)],
    ]),
  ),
};

/** Makes the forms of one schema; a record that holds itself is made once. */
export class Forms {
  private readonly records = new Map<AvroRecord, AnyForm>();

  of(type: AvroType): AnyForm {
    switch (type.kind) {
      case 'array':
        return arrayForm(this.of(type.items));
      case 'map':
        return mapForm(this.of(type.values));
      case 'record':
        return this.record(type);
      case 'union':
        return this.union(type.branches);
      case 'enum':
        return enumForm(type.symbols);
      case 'fixed':
        return logicalForm('fixed', type.logical, type.size) ?? fixedForm(type.size);
      default:
        return logicalForm(type.kind, type.logical, null) ?? PRIMITIVES[type.kind];
    }
  }

  private record(type: AvroRecord): AnyForm {
    const known = this.records.get(type);
    if (known !== undefined) return known;
    const fields: { name: string; form: AnyForm }[] = [];
    const form = recordForm(fields);
    this.records.set(type, form);
    for (const field of type.fields) fields.push({ name: field.name, form: this.of(field.type) });
    return form;
  }

  private union(branches: readonly AvroType[]): AnyForm {
    const forms = branches.map((branch) => this.of(branch));
    const others = forms.filter((_, index) => branches[index]?.kind !== 'null');
    return others.length > 1 ? unionForm(forms) : nullable(others[0] ?? NULL, forms);
  }
}

function logicalForm(kind: string, logical: Logical | null, size: number | null): AnyForm | null {
  if (logical === null) return null;
  if (logical.name === 'decimal') return ['bytes', 'fixed'].includes(kind) ? decimalForm(logical, size) : null;
  const sized = ['uuid', 'duration'].includes(logical.name) && size !== null ? ` ${size}` : '';
  return LOGICAL[`${kind} ${logical.name}${sized}`] ?? null;
}
