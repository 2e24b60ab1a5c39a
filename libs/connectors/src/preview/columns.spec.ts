import type { InferredColumn } from '../formats/format-reader';
import { columnWarnings, previewColumns } from './columns';
import type { SchemaHints } from './preview';

const NONE: SchemaHints = { columns: {}, all_text: false, mode: 'infer' };
const FOUND: InferredColumn[] = [
  { source: 'Trip Id', type: 'bigint', why: 'Whole numbers.' },
  { source: 'trip_id', type: 'text', why: 'Text.' },
  { source: 'constructor', type: 'jsonb', why: 'Nested.' },
];
const both = (hints: SchemaHints) => {
  const columns = previewColumns(FOUND, hints);
  return {
    columns: columns.map(({ source, name, type }) => [source, name, type]),
    warnings: columnWarnings(FOUND, columns, hints),
  };
};

describe('the columns of a preview', () => {
  it('have names of a table, and what was changed about them is told', () => {
    expect(both(NONE)).toEqual({
      columns: [
        ['Trip Id', 'trip_id', 'bigint'],
        ['trip_id', 'trip_id_2', 'text'],
        ['constructor', 'constructor', 'jsonb'],
      ],
      warnings: ['Names are changed for the table: "Trip Id" becomes trip_id, "trip_id" becomes trip_id_2.'],
    });
  });

  it('have the types that are given, and say so', () => {
    const columns = previewColumns(FOUND, { ...NONE, columns: { 'Trip Id': 'text' } });
    expect(columns[0]).toEqual({
      source: 'Trip Id',
      name: 'trip_id',
      type: 'text',
      why: 'Given by schema.columns.',
    });
  });

  it('are all text where that is wanted, but for nested values', () => {
    expect(previewColumns(FOUND, { ...NONE, all_text: true }).map(({ type }) => type)).toEqual([
      'text',
      'text',
      'jsonb',
    ]);
  });

  it('are exactly those given where all are; what differs is told', () => {
    expect(both({ all_text: false, mode: 'given', columns: { zip: 'text', trip_id: 'bigint' } })).toEqual({
      columns: [
        ['zip', 'zip', 'text'],
        ['trip_id', 'trip_id', 'bigint'],
      ],
      warnings: [
        'The files have columns that schema.columns does not name: Trip Id, constructor.',
        'schema.columns names columns that none of the files looked at has: zip.',
      ],
    });
  });
});
