import type { Config } from '@sluice/kernel';
import { FileSource } from './file-source';
import type { Source } from './source';

export type SourceSettings = Pick<
  Config,
  'SLUICE_FILE_ROOTS' | 'SLUICE_TEMP_DIR' | 'SLUICE_MAX_EXPANDED_BYTES' | 'SLUICE_MAX_EXPANSION_RATIO'
>;

/** The source an ingestion names, within the limits of the configuration. */
export function configuredSource(source: { path: string; file_pattern: string }, settings: SourceSettings): Source {
  return new FileSource({
    path: source.path,
    pattern: source.file_pattern,
    roots: settings.SLUICE_FILE_ROOTS,
    tempDir: settings.SLUICE_TEMP_DIR,
    limits: { expandedBytes: settings.SLUICE_MAX_EXPANDED_BYTES, ratio: settings.SLUICE_MAX_EXPANSION_RATIO },
  });
}
