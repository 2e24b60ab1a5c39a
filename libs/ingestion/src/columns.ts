import type { ColumnOptions } from 'typeorm';

/** A count: `bigint` in the database, which the driver gives as text, a number here (counts stay far below 2^53). */
export const COUNT: ColumnOptions = {
  type: 'bigint',
  transformer: {
    to: (value: unknown) => value,
    from: (value: string | null) => (value === null ? null : Number(value)),
  },
};
