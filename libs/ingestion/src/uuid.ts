const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id, if it can be one at all; PostgreSQL would refuse the statement otherwise. Throws what `missing` makes. */
export function knownId(id: string, missing: (id: string) => Error): string {
  if (UUID.test(id)) return id;
  throw missing(id);
}
