import fc from 'fast-check';
import { columnName, snakeCase } from './column-names';

describe('a column name', () => {
  it.each([
    ['Cost Total $', 'cost_total'],
    ['pickupAt', 'pickup_at'],
    ['HTTPServer', 'http_server'],
    ['2024', '_2024'],
    ['', 'column'],
    ['___', 'column'],
    ['Größe (cm)', 'größe_cm'],
    ['a.b-c d', 'a_b_c_d'],
  ])('of %j is %s', (source, name) => {
    expect(snakeCase(source)).toBe(name);
  });

  it('is never longer than PostgreSQL takes, never empty and never one taken', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 90 }), { maxLength: 20 }), (sources) => {
        const taken = new Set<string>();
        for (const source of sources) {
          const name = columnName(source, taken);
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
          expect(name).not.toBe('');
          expect(taken).not.toContain(name);
          taken.add(name);
        }
      }),
    );
  });

  it.each(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'])('is not %s, which every table has already', (name) => {
    expect(columnName(name.toUpperCase(), new Set())).toBe(`${name}_2`);
  });
});
