/** All routes but the probes, the documents and the metrics lie below it. */
export const BASE = 'api/v1';

export const pathOf = {
  ingestion: (id: string) => `/${BASE}/ingestions/${id}`,
  run: (id: string) => `/${BASE}/runs/${id}`,
};
