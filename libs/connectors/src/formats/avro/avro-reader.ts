import { BadFile } from '../../errors';
import { together } from '../../schema/infer';
import { matched } from '../declared-columns';
import { type FileInput, FormatReader, type Inference, type OpenedFile, type ReadPlan } from '../format-reader';
import { type AvroColumn, type AvroLimits, columnsOf, inferredColumn } from './avro-file';
import { OpenedAvro } from './opened-avro';

/** Avro object container files. They declare their columns, so no value is looked at to infer them. */
export class AvroReader extends FormatReader {
  constructor(private readonly limits: AvroLimits) {
    super();
  }

  override async infer(files: readonly FileInput[]): Promise<Inference> {
    const found: AvroColumn[] = [];
    // What is wrong with a file is told by its load.
    for (const file of files) found.push(...(await columnsOf(file, this.limits).catch(passOver)));
    return { columns: together(found.map(inferredColumn)), dialect: null };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    const found = await columnsOf(file, this.limits);
    return new OpenedAvro(file, { found, matches: matched(file.path, found, plan), plan }, this.limits);
  }
}

function passOver(error: unknown): AvroColumn[] {
  if (error instanceof BadFile) return [];
  throw error;
}
