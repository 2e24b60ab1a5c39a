import avro, { type Schema, type Type, types } from 'avsc';

/** A type of a schema, as far as reading and loading need it. */
export type AvroType =
  | { kind: Primitive; logical: Logical | null }
  | { kind: 'fixed'; size: number; logical: Logical | null }
  | { kind: 'enum'; symbols: readonly string[] }
  | { kind: 'array'; items: AvroType }
  | { kind: 'map'; values: AvroType }
  | { kind: 'union'; branches: readonly AvroType[] }
  | AvroRecord;

/** May hold itself, by way of unions and lists. */
export interface AvroRecord {
  kind: 'record';
  fields: readonly { name: string; type: AvroType }[];
}

type Primitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

/** What a type's `logicalType` says of it. */
export interface Logical {
  name: string;
  precision: number;
  scale: number;
}

/** Only takes down what the schema says; values are never read with it. */
class Noted extends types.LogicalType {
  readonly logical: Logical;

  constructor(schema: Schema, options?: unknown) {
    super(schema, options);
    const { logicalType, precision, scale } = schema as { logicalType: string; precision?: number; scale?: number };
    this.logical = { name: logicalType, precision: precision ?? 0, scale: scale ?? 0 };
  }
}

const MOMENTS = ['timestamp', 'local-timestamp'].flatMap((n) => ['millis', 'micros', 'nanos'].map((u) => `${n}-${u}`));
const NOTED = ['decimal', 'uuid', 'date', 'time-millis', 'time-micros', 'duration', ...MOMENTS];

/** Reads the text of a schema. Raises what `JSON.parse` and avsc raise. */
export function parseSchema(text: string): AvroType {
  const logicalTypes = Object.fromEntries(NOTED.map((name) => [name, Noted]));
  const type = avro.Type.forSchema(JSON.parse(text) as Schema, { logicalTypes, wrapUnions: true });
  return new Converter().convert(type);
}

class Converter {
  /** Records met, so that one that holds itself ends. */
  private readonly records = new Map<Type, AvroRecord>();

  convert(type: Type): AvroType {
    if (type instanceof Noted) return { ...this.convert(type.underlyingType), logical: type.logical } as AvroType;
    if (type instanceof types.RecordType) return this.record(type);
    if (type instanceof types.ArrayType) return { kind: 'array', items: this.convert(type.itemsType) };
    if (type instanceof types.MapType) return { kind: 'map', values: this.convert(type.valuesType) };
    if (type instanceof types.EnumType) return { kind: 'enum', symbols: type.symbols };
    if (type instanceof types.FixedType) return { kind: 'fixed', size: type.size, logical: null };
    if (type instanceof types.WrappedUnionType)
      return { kind: 'union', branches: (type.types as Type[]).map((branch) => this.convert(branch)) };
    return { kind: type.typeName as Primitive, logical: null };
  }

  private record(type: types.RecordType): AvroRecord {
    const known = this.records.get(type);
    if (known !== undefined) return known;
    const fields: { name: string; type: AvroType }[] = [];
    const record: AvroRecord = { kind: 'record', fields };
    this.records.set(type, record);
    for (const field of type.fields) fields.push({ name: field.name, type: this.convert(field.type) });
    return record;
  }
}

/** As a person names it, without what says that there may be no value. */
export function declaration(type: AvroType): string {
  switch (type.kind) {
    case 'union':
      return unionDeclaration(type.branches);
    case 'array':
    case 'enum':
      return `an ${type.kind}`;
    case 'map':
    case 'record':
      return `a ${type.kind}`;
    default:
      return type.logical === null ? type.kind : `${type.kind} (${logicalText(type.logical)})`;
  }
}

function unionDeclaration(branches: readonly AvroType[]): string {
  const some = branches.filter(({ kind }) => kind !== 'null');
  const texts = (some.length === 0 ? branches : some).map(declaration);
  return texts.length === 1 ? (texts[0] ?? '') : `a union of ${texts.join(', ')}`;
}

function logicalText({ name, precision, scale }: Logical): string {
  return name === 'decimal' ? `decimal(${precision},${scale})` : name;
}

/** The dotted paths of all fields within values of a type, as in `InferredColumn`. The keys of a map are data, not fields. */
export function nestedFields(type: AvroType): string[] {
  return [...new Set(pathsIn(type, '', new Set()))].sort();
}

/** A record within itself has no fields that were not seen: there would be no end of them. */
function pathsIn(type: AvroType, path: string, around: ReadonlySet<AvroRecord>): string[] {
  if (type.kind === 'array') return pathsIn(type.items, `${path}[]`, around);
  if (type.kind === 'union') return type.branches.flatMap((branch) => pathsIn(branch, path, around));
  if (type.kind !== 'record' || around.has(type)) return [];
  const within = new Set([...around, type]);
  return type.fields.flatMap(({ name, type: inner }) => {
    const at = path === '' ? name : `${path}.${name}`;
    return [at, ...pathsIn(inner, at, within)];
  });
}
