import fc from 'fast-check';
import { TupleReader } from './tuples';

function tuple(fields: readonly (string | null)[]): Buffer {
  const head = Buffer.alloc(2);
  head.writeInt16BE(fields.length);
  const parts = fields.map((field) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(field === null ? -1 : Buffer.byteLength(field));
    return Buffer.concat([length, Buffer.from(field ?? '')]);
  });
  return Buffer.concat([head, ...parts]);
}

function read(bytes: Buffer, pieceBytes: number, width: number): (string | null)[][] {
  const reader = new TupleReader();
  const rows: (string | null)[][] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    rows.push(...reader.read(bytes.subarray(at, at + pieceBytes), width));
  return rows;
}

describe('COPY tuples', () => {
  it('come out as they went in, wherever the pieces end', () => {
    const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 8 }));
    const rows = fc.array(fc.array(text, { minLength: 3, maxLength: 3 }), { maxLength: 8 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 40 }), (given, pieceBytes) => {
        expect(read(Buffer.concat(given.map(tuple)), pieceBytes, 3)).toEqual(given);
      }),
    );
  });

  it('are counted without their values', () => {
    expect(read(Buffer.concat([tuple(['a', null]), tuple(['b', 'c'])]), 5, 0)).toEqual([[], []]);
  });
});
