import { BadFile } from '../../errors';
import type { DeclaredColumn } from '../declared-columns';
import type { FileInput, InferredColumn } from '../format-reader';
import { AvroContainer } from './avro-container';
import type { AnyForm } from './avro-form';
import { Forms } from './avro-forms';
import { declaration, nestedFields, parseSchema } from './avro-types';

/** What is read at most; each by the setting it is named after. */
export interface AvroLimits {
  /** SLUICE_MAX_RECORD_BYTES: of a block, packed and expanded. */
  recordBytes: number;
  /** SLUICE_MAX_COLUMNS */
  columns: number;
  /** SLUICE_MAX_DEPTH */
  depth: number;
}

/** A field of the records. */
export interface AvroColumn extends DeclaredColumn {
  declared: string;
  form: AnyForm;
}

/** The fields of the file's records, in their order. Raises `BadFile`. */
export async function columnsOf(file: FileInput, limits: AvroLimits): Promise<AvroColumn[]> {
  const stream = file.open();
  try {
    const { schema } = await AvroContainer.open(file, stream, limits);
    return columnsIn(schema, file.path, limits);
  } finally {
    stream.destroy();
  }
}

function columnsIn(schema: string, path: string, limits: AvroLimits): AvroColumn[] {
  const type = parsed(schema, path);
  if (type.kind !== 'record')
    throw new BadFile(
      'schema_mismatch',
      `${path} holds values of the type ${declaration(type)}, not records. Write one record for each row.`,
    );
  if (type.fields.length > limits.columns)
    throw new BadFile(
      'limit',
      `${path} has ${type.fields.length} columns, more than ${limits.columns} (SLUICE_MAX_COLUMNS). Write fewer.`,
    );
  const forms = new Forms();
  return type.fields.map(({ name, type }) => ({
    source: name,
    fields: nestedFields(type),
    declared: declaration(type),
    form: forms.of(type),
  }));
}

function parsed(schema: string, path: string): ReturnType<typeof parseSchema> {
  try {
    return parseSchema(schema);
  } catch (error) {
    const reason = `${path} cannot be read as Avro: its schema is not valid (${(error as Error).message}). Write the file again.`;
    throw new BadFile('malformed', reason, {}, { cause: error });
  }
}

export function inferredColumn({ source, form, declared, fields }: AvroColumn): InferredColumn {
  return {
    source,
    type: form.type,
    why: `The file declares ${declared}.`,
    ...(form.type === 'jsonb' && { fields }),
  };
}
