import type { QualityInput } from '../inputs';
import { ON_SCHEMA_CHANGE, type OnSchemaChange, type QualitySpec } from '../types';
import { oneOf, onlyKnown, refuse } from './refuse';

const DEFAULTS: QualitySpec = {
  on_error: 'fail_file',
  max_rejected_rows: 0,
  min_rows: null,
  max_drop_percent: null,
  max_age_seconds: null,
};
const LIMITS = ['max_rejected_rows', 'min_rows', 'max_drop_percent', 'max_age_seconds'] as const;

/** The quality rules with all their defaults. A limit nobody would hold yet is refused, rather than kept and not watched. */
export function qualitySpec(input: QualityInput = {}): QualitySpec {
  onlyKnown('quality', input, Object.keys(DEFAULTS));
  for (const limit of LIMITS) {
    const value = input[limit] ?? DEFAULTS[limit];
    if (value !== DEFAULTS[limit]) {
      refuse(`quality.${limit}`, value, 'is not available', `Available now: ${String(DEFAULTS[limit])}.`);
    }
  }
  return { ...DEFAULTS, on_error: oneOf('quality.on_error', input.on_error, ['fail_file'], 'fail_file') };
}

export function onSchemaChange(input: string | undefined): OnSchemaChange {
  return oneOf('on_schema_change', input, ON_SCHEMA_CHANGE, 'append_new_columns');
}
