import { createHash } from 'node:crypto';
import type { HoldBack, SourceEntry } from '@sluice/connectors';
import type { RunningOrder, RunParameters } from '@sluice/ingestion';

/** The entries a run looks at: all, or those modified within a time and below a prefix. */
export async function* selected(
  listing: AsyncIterable<SourceEntry>,
  parameters: RunParameters,
): AsyncGenerator<SourceEntry> {
  const isWanted = filterOf(parameters);
  for await (const entry of listing) if (isWanted(entry)) yield entry;
}

function filterOf(parameters: RunParameters): (entry: SourceEntry) => boolean {
  if (parameters.kind !== 'load') return () => true;
  const { path_prefix: prefix } = parameters;
  const from = momentOf(parameters.from, -Infinity);
  const until = momentOf(parameters.until, Infinity);
  return ({ path, modifiedAt }) =>
    (prefix === null || path.startsWith(prefix)) && (modifiedAt === null || (modifiedAt >= from && modifiedAt < until));
}

function momentOf(text: string | null, otherwise: number): number {
  return text === null ? otherwise : Date.parse(text);
}

/** Failures count only under the settings they happened under: who corrects the format does not wait. */
export function holdBackOf(order: RunningOrder, parameters: RunParameters): HoldBack {
  const { format, destination, schema, on_schema_change, quality } = order;
  const text = JSON.stringify([format, destination, schema, on_schema_change, quality]);
  const settings = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { settings, retry: parameters.kind === 'retry' ? (parameters.paths ?? 'all') : null };
}
