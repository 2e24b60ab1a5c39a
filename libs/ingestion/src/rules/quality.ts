import type { QualityInput } from '../inputs';
import {
  CHANGED_FILES,
  type ChangedFiles,
  ON_ERROR,
  ON_SCHEMA_CHANGE,
  type OnSchemaChange,
  type QualitySpec,
} from '../types';
import { oneOf, onlyKnown, refuse } from './refuse';

const FIELDS = ['on_error', 'max_rejected_rows', 'min_rows', 'max_drop_percent', 'max_age_seconds'] as const;

/** Freshness is looked at every few seconds: a shorter limit would be broken by the looking. */
const MIN_AGE = 60;
/** Ten years. */
const MAX_AGE = 315_360_000;

/** The quality rules with all their defaults. */
export function qualitySpec(input: QualityInput = {}): QualitySpec {
  onlyKnown('quality', input, FIELDS);
  const on_error = oneOf('quality.on_error', input.on_error, ON_ERROR, 'fail_file');
  return {
    on_error,
    max_rejected_rows: maxRejected(input.max_rejected_rows ?? null, on_error),
    min_rows: atLeastNone('quality.min_rows', input.min_rows ?? null),
    max_drop_percent: percent('quality.max_drop_percent', input.max_drop_percent ?? null),
    max_age_seconds: maxAge(input.max_age_seconds ?? null),
  };
}

/** Where a bad row fails its file or the run, none is left out: the limit is 0. */
function maxRejected(value: number | string | null, on_error: QualitySpec['on_error']): number | string | null {
  const path = 'quality.max_rejected_rows';
  if (on_error !== 'skip_rows') {
    if (value === null || value === 0) return 0;
    return refuse(path, value, `does not go with on_error "${on_error}"`, 'Set quality.on_error to "skip_rows".');
  }
  if (typeof value !== 'string') return atLeastNone(path, value);
  const [, share] = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(value) ?? [];
  if (share !== undefined && Number(share) <= 100) return value;
  return refuse(path, value, 'is no share', 'Give a number of rows such as 10, or a share such as "5%".');
}

function atLeastNone(path: string, value: number | null): number | null {
  if (value === null || (Number.isSafeInteger(value) && value >= 0)) return value;
  return refuse(path, value, 'is out of range', 'Give a whole number from 0; null for no limit.');
}

function percent(path: string, value: number | null): number | null {
  if (value === null || (typeof value === 'number' && value >= 0 && value <= 100)) return value;
  return refuse(path, value, 'is out of range', 'Give a number from 0 to 100; null for no limit.');
}

function maxAge(value: number | null): number | null {
  if (value === null || (Number.isInteger(value) && value >= MIN_AGE && value <= MAX_AGE)) return value;
  const remedy = `Give whole seconds from ${MIN_AGE} to ${MAX_AGE}; null for no limit.`;
  return refuse('quality.max_age_seconds', value, 'is out of range', remedy);
}

export function onSchemaChange(input: string | undefined): OnSchemaChange {
  return oneOf('on_schema_change', input, ON_SCHEMA_CHANGE, 'append_new_columns');
}

export function changedFiles(input: string | undefined): ChangedFiles {
  return oneOf('changed_files', input, CHANGED_FILES, 'skip');
}
