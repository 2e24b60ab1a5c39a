import fc from 'fast-check';
import { splitLines, splitValues } from './csv-lines';

describe('the lines of a text at a look', () => {
  it.each([
    ['a,b\n\nc\r\nd', ['a,b', 'c', 'd']],
    ['"a\nb",c\nd', ['"a\nb",c', 'd']],
    ['a,"b ""\n"""\r\nc', ['a,"b ""\n"""', 'c']],
    ['5" pipe\n6" pipe', ['5" pipe', '6" pipe']],
    ['a,"never closed\nb', ['a,"never closed', 'b']],
    ['a,"b" c\nd,"e\nf"', ['a,"b" c', 'd,"e\nf"']],
    ['', []],
  ])('of %j are %j', (text, lines) => {
    expect(splitLines(text, '"', [','])).toEqual(lines);
  });

  it('end at every line end where there are no quotes', () => {
    expect(splitLines('"a\nb"', '', [','])).toEqual(['"a', 'b"']);
  });

  it('give back what was written with everything quoted', () => {
    const value = fc.string({ unit: fc.constantFrom('"', ',', '\n', 'x'), maxLength: 5 });
    const table = fc.array(fc.array(value, { minLength: 1, maxLength: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(table, (rows) => {
        const text = rows.map((row) => row.map((it) => `"${it.replaceAll('"', '""')}"`).join(',')).join('\n');
        const lines = splitLines(text, '"', [',']);
        expect(lines.map((line) => splitValues(line, '"', ',').map((it) => it.text))).toEqual(rows);
      }),
    );
  });
});

it('values are told with whether they were quoted', () => {
  expect(splitValues('a,"b",,"c"d,""', '"', ',')).toEqual([
    { text: 'a', quoted: false },
    { text: 'b', quoted: true },
    { text: '', quoted: false },
    { text: '"c"d', quoted: false },
    { text: '', quoted: true },
  ]);
});
