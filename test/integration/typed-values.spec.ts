import fc from 'fast-check';
import { dataPlane, type Plane } from '../support/data-plane';

/** PostgreSQL itself is the oracle: what arrives in a typed column is what the server makes of the same text. */
let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
afterAll(() => plane.close());

let tables = 0;

/** Loads texts as a CSV into a column of the type and compares each with the server's own cast; both as text. */
async function expectLoaded(type: string, values: readonly string[]): Promise<void> {
  const table = `typed_${++tables}`;
  await plane.rows(`CREATE TABLE ${table} (n bigint, v ${type}, _load_id bigint)`);
  await plane.rows(`CREATE TABLE ${table}_texts (n bigint, v text)`);
  await plane.write(`${table}.csv`, `n,v\n${values.map((value, n) => `${n},"${value}"\n`).join('')}`);
  const outcome = await plane.run(await plane.order({ pattern: `${table}.csv`, table }));
  expect(outcome.errors).toEqual([]);
  await plane.rows(
    `SET TimeZone = 'UTC'; INSERT INTO ${table}_texts SELECT n - 1, v FROM unnest(ARRAY[${values.map((value) => `'${value}'`).join()}]) WITH ORDINALITY AS t (v, n)`,
  );
  const different = await plane.rows(
    `SELECT e.v AS text, e.v::${type}::text AS expected, t.v::text AS loaded
     FROM ${table}_texts e FULL JOIN ${table} t USING (n) WHERE e.v::${type}::text IS DISTINCT FROM t.v::text`,
  );
  expect(different).toEqual([]);
}

function samples<T>(arbitrary: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(arbitrary, count);
}

const digits = (max: number) => fc.stringMatching(new RegExp(`^(0|[1-9][0-9]{0,${max - 1}})$`));
const sign = fc.constantFrom('', '-');
const notMinusZero = (text: string) => !/^-[0.]+(e|$)/.test(text);

describe('a value in a typed column is what PostgreSQL makes of its text:', () => {
  it('numeric', async () => {
    const fraction = fc.stringMatching(/^(\.[0-9]{1,60})?$/);
    const decimals = fc.tuple(sign, digits(60), fraction).map((parts) => parts.join(''));
    const exponents = fc
      .tuple(sign, digits(20), fraction, fc.integer({ min: -90, max: 90 }))
      .map(([s, whole, rest, exponent]) => `${s}${whole}${rest}e${exponent}`);
    const edges = [
      '0',
      '0.0000',
      '-0.5',
      '.5',
      '1.50',
      '1.0000000',
      '10000',
      '100000000',
      '0.0001',
      '0.00001',
      '9999.9999',
      '99999999',
      '1e0',
      '1.5e-3',
      '12345678901234567890123',
      '0.1234567890123456789',
      '1e20',
      '1E+20',
      '100e-2',
      `1${'0'.repeat(400)}`,
      `0.${'0'.repeat(400)}1`,
      `${'9'.repeat(5000)}.${'8'.repeat(5000)}`,
    ];
    await expectLoaded(
      'numeric',
      [...edges, ...samples(decimals, 700), ...samples(exponents, 300)].filter(notMinusZero),
    );
  });

  it('whole numbers', async () => {
    const of = (bits: number) =>
      fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n }).map(String);
    await expectLoaded('smallint', ['-32768', '32767', '0', ...samples(of(16), 200)]);
    await expectLoaded('integer', ['-2147483648', '2147483647', '0', ...samples(of(32), 200)]);
    const limits = [
      '-9223372036854775808',
      '9223372036854775807',
      '9007199254740993',
      '-9007199254740993',
      '999999999999999',
      '1000000000000000',
      '-4294967296',
      '4294967295',
    ];
    await expectLoaded('bigint', [...limits, ...samples(of(64), 500)]);
  });

  it('floating point', async () => {
    const fifteen = fc
      .tuple(sign, fc.stringMatching(/^[1-9](\.[0-9]{1,14})?$/), fc.integer({ min: -290, max: 290 }))
      .map(([s, mantissa, exponent]) => `${s}${mantissa}e${exponent}`);
    const plain = fc.tuple(sign, digits(7), digits(8)).map(([s, whole, rest]) => `${s}${whole}.${rest}`);
    await expectLoaded('double precision', [
      '0',
      '-0',
      '-0.0',
      '0.1',
      '1e22',
      '1e23',
      '1e-22',
      '1e-23',
      '123456789012345',
      '0.123456789012345',
      '1e308',
      '2.2250738585073e-308',
      ...samples(fifteen, 500),
      ...samples(plain, 500),
    ]);
    const six = fc.tuple(sign, fc.stringMatching(/^[1-9](\.[0-9]{1,5})?$/), fc.integer({ min: -37, max: 37 }));
    await expectLoaded('real', [
      '0',
      '0.1',
      '16777216e0'.slice(0, 6),
      ...samples(
        six.map(([s, m, e]) => `${s}${m}e${e}`),
        300,
      ),
    ]);
  });

  const dates = fc
    .date({ min: new Date('0001-01-03T00:00:00Z'), max: new Date('9999-12-28T23:59:59.999Z'), noInvalidDate: true })
    .map((date) => date.toISOString());

  it('dates', async () => {
    const edges = [
      '0001-01-01',
      '9999-12-31',
      '1900-02-28',
      '2000-02-29',
      '2024-02-29',
      '1970-01-01',
      '1969-12-31',
      '1582-10-10',
      '2000-01-01',
      '1999-12-31',
    ];
    await expectLoaded('date', [...edges, ...samples(dates, 500).map((text) => text.slice(0, 10))]);
  });

  it('timestamps', async () => {
    const micros = fc
      .tuple(dates, fc.stringMatching(/^(\.[0-9]{1,6})?$/))
      .map(([text, rest]) => `${text.slice(0, 19)}${rest}`);
    const edges = [
      '0001-01-01 00:00:00',
      '9999-12-31T23:59:59.999999',
      '1899-12-31 23:59:59.999999',
      '1999-12-31T23:59:59.999999',
      '2300-01-01 00:00',
      '2024-02-29',
      '1714-01-01 00:00:00.000001',
    ];
    await expectLoaded('timestamp', [...edges, ...samples(micros, 500)]);
  });

  it('timestamps with a zone', async () => {
    const zone = fc
      .tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 14 }), fc.constantFrom('', ':30', ':45', '00'))
      .map(([s, hours, minutes]) => `${s}${String(hours).padStart(2, '0')}${minutes}`);
    const zoned = fc
      .tuple(dates, fc.oneof(zone, fc.constant('Z')))
      .map(([text, offset]) => `${text.slice(0, 23)}${offset}`);
    const edges = [
      '2024-01-01 00:00:00+15:59',
      '2024-01-01 00:00-03',
      '0001-01-03 00:00:00+14:00',
      '9999-12-28T23:59:59.999999-11:30',
      '1883-11-18 12:00:00Z',
    ];
    await expectLoaded('timestamptz', [...edges, ...samples(zoned, 500)]);
  });

  it('booleans, uuids and jsonb', async () => {
    await expectLoaded('boolean', ['true', 'FALSE', 'True', 'false']);
    await expectLoaded('uuid', samples(fc.uuid(), 50));
    await expectLoaded('jsonb', ['1', '{}', '[1, 2.50, null]', 'true']);
  });
});

describe('a value which the column would change fails its file:', () => {
  it.each([
    ['numeric(10,2)', '1.239', 'numeric(10,2)'],
    ['numeric(10,2)', '1e-3', 'numeric(10,2)'],
    ['numeric(10,-2)', '1250', 'numeric(10,-2)'],
    ['varchar(3)', 'ab  ', 'character varying(3)'],
    ['char(3)', 'ab  ', 'character(3)'],
    ['timestamp(3)', '2024-01-01 00:00:00.1234', 'timestamp(3) without time zone'],
    ['timestamptz(0)', '2024-01-01 00:00:00.5Z', 'timestamp(0) with time zone'],
    ['bigint', '9223372036854775808', 'bigint'],
    ['bigint', '1.5', 'bigint'],
    ['smallint', '32768', 'smallint'],
    ['integer', '007', 'integer'],
    ['double precision', '0.1234567890123456', 'double precision'],
    ['double precision', '1e400', 'double precision'],
    ['double precision', '4.9e-324', 'double precision'],
    ['real', '0.1234567', 'real'],
    ['timestamp', '2024-01-01T00:00:00Z', 'timestamp without time zone'],
    ['timestamptz', '2024-01-01T00:00:00', 'timestamp with time zone'],
    ['date', '2024-01-01 00:00', 'date'],
    ['boolean', '1', 'boolean'],
    ['bytea', 'abc', 'bytea'],
  ])('%s cannot hold %s', async (type, value, told) => {
    const table = `typed_${++tables}`;
    await plane.rows(`CREATE TABLE ${table} (n bigint, v ${type}, _load_id bigint)`);
    await plane.write(`${table}.csv`, `n,v\n1,\n2,"${value}"\n`);
    const outcome = await plane.run(await plane.order({ pattern: `${table}.csv`, table }));
    expect(outcome).toMatchObject({
      status: 'failed',
      errors: [
        {
          file: `${table}.csv`,
          line: 3,
          column: 'v',
          error_type: 'type_mismatch',
          message: `Line 3, column v: "${value}" cannot be stored as ${told} without changing it. Correct the value.`,
        },
      ],
    });
    expect(await plane.rows(`SELECT * FROM ${table}`)).toEqual([]);
  });

  it('what fits a column with a length, precision or scale is loaded', async () => {
    await expectLoaded('numeric(10,2)', ['1.23', '1.230', '1', '-0.50', '123e-2', '0', '0.00']);
    await expectLoaded('varchar(3)', ['abc', 'äöü', 'a ']);
    await expectLoaded('timestamp(3)', ['2024-01-01 00:00:00.123', '2024-01-01 00:00:00.123000', '2024-01-01']);
  });
});
