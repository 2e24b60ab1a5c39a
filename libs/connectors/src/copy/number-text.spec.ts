import fc from 'fast-check';
import { doubleOf, NumberShape, readNumber, reading } from './number-text';

function read(text: string): NumberShape {
  return readNumber(Buffer.from(text), 0, text.length);
}

describe('a number as text', () => {
  it('has the double which JavaScript reads', () => {
    const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?(e[+-]?[0-9]{1,3})?$/);
    fc.assert(
      fc.property(digits, fc.boolean(), (number, negative) => {
        const text = negative ? `-${number}` : number;
        expect(read(text)).not.toBe(NumberShape.None);
        expect(doubleOf(Buffer.from(text), 0, text.length)).toBe(Number(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('with up to 15 digits is given back by its double', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[1-9]\.[0-9]{13}[1-9]$/),
        fc.integer({ min: -290, max: 290 }),
        (mantissa, exponent) => {
          const text = `${mantissa}e${exponent}`;
          expect(read(text)).toBe(NumberShape.Exponent);
          expect(doubleOf(Buffer.from(text), 0, text.length).toExponential(14)).toBe(
            `${mantissa}e${exponent < 0 ? '' : '+'}${exponent}`,
          );
        },
      ),
    );
  });

  it('counts significant digits without leading zeros and with trailing ones', () => {
    const counted = ['0', '0.00', '0.0120', '120', '1.50', '-0.5e7'].map((text) => (read(text), reading.digits));
    expect(counted).toEqual([0, 0, 3, 3, 3, 1]);
  });

  it.each([
    '',
    '-',
    '+1',
    '01',
    '-01',
    '00',
    '1.',
    '.',
    '-.',
    '1e',
    '1e+',
    '1e1234',
    '1 ',
    ' 1',
    '1a',
    '1.2.3',
    '--1',
    '1e5.0',
    'Infinity',
  ])('is not seen in %j', (text) => {
    expect(read(text)).toBe(NumberShape.None);
  });
});
