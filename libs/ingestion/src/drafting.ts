import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '@sluice/kernel';
import { CredentialVault } from './credential-vault';
import type { IngestionRow } from './ingestion.entity';
import type { CreateIngestion, UpdateIngestion } from './inputs';
import * as rules from './rules';

/** The columns a caller decides. */
export type Draft = Pick<
  IngestionRow,
  | 'name'
  | 'source'
  | 'format'
  | 'destination'
  | 'schedule'
  | 'on_schema_change'
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
    return {
      name: rules.ingestionName(input.name),
      source: rules.sourceSpec(input.source, this.config.SLUICE_FILE_ROOTS),
      format: rules.formatSpec(input.format),
      destination: rules.destinationSpec(input.destination),
      schedule: input.schedule ? rules.scheduleSpec(input.schedule) : null,
      on_schema_change: rules.onSchemaChange(input.on_schema_change),
      quality: rules.qualitySpec(input.quality),
      ...this.sealed(id, input.source.credentials),
    };
  }

  /** Only the parts that were given. */
  changes(id: string, input: UpdateIngestion): Partial<Draft> {
    rules.onlyKnown('', input, CHANGEABLE);
    rules.onlyKnown('source', input.source ?? {}, ['credentials']);
    return {
      ...(input.name !== undefined && { name: rules.ingestionName(input.name) }),
      ...(input.format !== undefined && { format: rules.formatSpec(input.format) }),
      ...(input.schedule !== undefined && { schedule: input.schedule && rules.scheduleSpec(input.schedule) }),
      ...(input.on_schema_change !== undefined && { on_schema_change: rules.onSchemaChange(input.on_schema_change) }),
      ...(input.quality !== undefined && { quality: rules.qualitySpec(input.quality) }),
      ...(input.source?.credentials !== undefined && this.sealed(id, input.source.credentials)),
    };
  }

  digest(input: CreateIngestion): string {
    return this.vault.digest(JSON.stringify(sorted(input)));
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

const CHANGEABLE = ['name', 'format', 'schedule', 'quality', 'on_schema_change', 'source'] as const;
const WHOLE = [...CHANGEABLE, 'destination'] as const;

/** The same value whatever order its keys came in. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
