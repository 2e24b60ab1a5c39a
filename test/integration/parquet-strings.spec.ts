import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { dataPlane } from '../support/data-plane';

const ROOT = join(__dirname, '../..');

// Strings of more than twelve bytes lie outside DuckDB's vectors. Asking for memory around them once ended the process, now and then.
it('every long string of a Parquet file arrives as it stands in the CSV the file was made from', async () => {
  const plane = await dataPlane();
  try {
    for (let copy = 0; copy < 5; copy++)
      await plane.write(`${copy}.parquet`, readFileSync(join(ROOT, 'data/sample/birdstrikes/birdstrikes.parquet')));
    const outcome = await plane.run(await plane.order());
    expect(outcome.errors).toEqual([]);
    const loaded = await plane.rows<{ airport: string; species: string; operator: string }>(
      'SELECT airport_name AS airport, wildlife_species AS species, aircraft_airline_operator AS operator FROM t',
    );
    const csv = readFileSync(join(ROOT, 'node_modules/vega-datasets/data/birdstrikes.csv'));
    const expected = parse(csv, { columns: true }) as Record<string, string>[];
    const five = [...expected, ...expected, ...expected, ...expected, ...expected];
    const wanted = five.map((row) =>
      [row['Airport Name'], row['Wildlife Species'], row['Aircraft Airline Operator']].join('|'),
    );
    expect(loaded.map(({ airport, species, operator }) => [airport, species, operator].join('|')).sort()).toEqual(
      wanted.sort(),
    );
  } finally {
    await plane.close();
  }
});
