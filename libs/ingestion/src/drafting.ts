import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '@sluice/kernel';
import { CredentialVault } from './credential-vault';
import type { IngestionRow } from './ingestion.entity';
import type { CreateIngestion, PreviewInput, UpdateIngestion } from './inputs';
import * as rules from './rules';
import type { PreviewOrder } from './views';

/** The columns a caller decides. */
export type Draft = Pick<
  IngestionRow,
  | 'name'
  | 'source'
  | 'format'
  | 'schema'
  | 'destination'
  | 'schedule'
  | 'on_schema_change'
  | 'changed_files'
  | 'quality'
  | 'credentials'
  | 'credential_keys'
>;

/** Turns what callers send into columns: checked, with all defaults, credentials sealed. Throws `ValueError` and touches nothing. */
@Injectable()
export class Drafting {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly vault: CredentialVault,
  ) {}

  whole(id: string, input: CreateIngestion): Draft {
    rules.onlyKnown('', input, WHOLE);
    const draft = {
      name: rules.ingestionName(input.name),
      ...this.readable(input),
      destination: rules.destinationSpec(input.destination),
      ...decided(input),
      ...this.sealed(id, input.source.credentials),
    };
    rules.assertKeysKnown(draft.destination, draft.schema);
    return draft;
  }

  /** Only the parts that were given. */
  changes(id: string, input: UpdateIngestion): Partial<Draft> {
    rules.onlyKnown('', input, CHANGEABLE);
    rules.onlyKnown('source', input.source ?? {}, ['credentials']);
    return {
      ...(input.name !== undefined && { name: rules.ingestionName(input.name) }),
      ...(input.format !== undefined && { format: rules.formatSpec(input.format) }),
      ...(input.schema !== undefined && { schema: rules.schemaSpec(input.schema) }),
      ...(input.schedule !== undefined && { schedule: input.schedule && rules.scheduleSpec(input.schedule) }),
      ...(input.on_schema_change !== undefined && { on_schema_change: rules.onSchemaChange(input.on_schema_change) }),
      ...(input.changed_files !== undefined && { changed_files: rules.changedFiles(input.changed_files) }),
      ...(input.quality !== undefined && { quality: rules.qualitySpec(input.quality) }),
      ...(input.source?.credentials !== undefined && this.sealed(id, input.source.credentials)),
    };
  }

  /** Whatever is given is checked as for create. Credentials are not sealed: nothing is kept, so no key is needed. */
  preview(input: PreviewInput): PreviewOrder {
    rules.onlyKnown('', input, WHOLE);
    const readable = this.readable(input);
    decided(input);
    if (input.name !== undefined) rules.ingestionName(input.name);
    if (input.destination) rules.assertKeysKnown(rules.destinationSpec(input.destination), readable.schema);
    return { ...readable, credentials: rules.credentialsOf(input.source.credentials) ?? {} };
  }

  private readable(input: PreviewInput): Pick<Draft, 'source' | 'format' | 'schema'> {
    const parts = {
      source: rules.sourceSpec(input.source, this.config.SLUICE_FILE_ROOTS),
      format: rules.formatSpec(input.format),
      schema: rules.schemaSpec(input.schema),
    };
    rules.assertTypesReadable(parts.format, parts.schema);
    return parts;
  }

  private sealed(
    id: string,
    given: Record<string, string> | null | undefined,
  ): Pick<Draft, 'credentials' | 'credential_keys'> {
    const credentials = rules.credentialsOf(given);
    if (!credentials) return { credentials: null, credential_keys: [] };
    return { credentials: this.vault.seal(id, credentials), credential_keys: Object.keys(credentials).sort() };
  }
}

const CHANGEABLE = [
  'name',
  'format',
  'schema',
  'schedule',
  'quality',
  'on_schema_change',
  'changed_files',
  'source',
] as const;
const WHOLE = [...CHANGEABLE, 'destination'] as const;

function decided(
  input: Omit<PreviewInput, 'source'>,
): Pick<Draft, 'schedule' | 'on_schema_change' | 'changed_files' | 'quality'> {
  return {
    schedule: input.schedule ? rules.scheduleSpec(input.schedule) : null,
    on_schema_change: rules.onSchemaChange(input.on_schema_change),
    changed_files: rules.changedFiles(input.changed_files),
    quality: rules.qualitySpec(input.quality),
  };
}
