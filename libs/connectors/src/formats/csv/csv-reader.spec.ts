import fc from 'fast-check';
import { aPlan, copiedTexts, LIMITS, memoryFile, SMALL_DUCKDB } from '../../../../../test/support/copy-rows';
import { DuckDb } from '../../duckdb';
import type { CsvDialect } from '../format-reader';
import { complete } from './csv-dialect';
import { CsvReader } from './csv-reader';

const reader = new CsvReader(new DuckDb(SMALL_DUCKDB), LIMITS);

interface Reading {
  columns?: string[];
  dialect?: Partial<CsvDialect>;
  pieceBytes?: number;
  type?: 'text' | 'bigint' | 'numeric';
}

function open(content: string | Buffer, { columns = ['a', 'b'], dialect = {}, pieceBytes, type = 'text' }: Reading) {
  const plan = aPlan({
    columns: columns.map((name) => ({ source: name, name, type })),
    dialect: complete(dialect, {}),
  });
  return reader.open(memoryFile(content, pieceBytes === undefined ? {} : { pieceBytes }), plan);
}

async function read(content: string | Buffer, reading: Reading = {}): Promise<(string | null)[][]> {
  return copiedTexts(await open(content, reading));
}

describe('a CSV file', () => {
  const value = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'x', ' ', 'ü', '😀') }));
  const storable = value.map((text) => text.replaceAll('\0', ''));
  const table = fc.array(fc.tuple(storable, storable), { maxLength: 8 });
  const quotedLine = (row: readonly string[]) => row.map((it) => `"${it.replaceAll('"', '""')}"`).join(',');

  it('gives back what a writer that quotes everything has written, cut anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.integer({ min: 1, max: 9 }),
        async (rows, eol, pieceBytes) => {
          const text = ['a,b', ...rows.map(quotedLine)].join(eol) + eol;
          expect(await read(text, { pieceBytes })).toEqual(rows);
        },
      ),
    );
  });

  it('reads the same when it is cut at any byte', async () => {
    const text = '\ufeffa,b\r\n1,"two\r\n""lines"""\r\n\r\n,""\r\nü,"😀"\r\n"x",last';
    const whole = await read(text);
    expect(whole).toEqual([
      ['1', 'two\r\n"lines"'],
      [null, ''],
      ['ü', '😀'],
      ['x', 'last'],
    ]);
    const bytes = Buffer.from(text).length;
    for (let pieceBytes = 1; pieceBytes <= bytes; pieceBytes++) expect(await read(text, { pieceBytes })).toEqual(whole);
  });

  it.each([
    ['LF', 'a,b\n1,2\n3,4\n'],
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['CR', 'a,b\r1,2\r3,4\r'],
    ['mixed line ends', 'a,b\r\n1,2\n3,4\r'],
    ['no line end at its end', 'a,b\n1,2\n3,4'],
    ['a byte order mark', '\ufeffa,b\n1,2\n3,4'],
    ['blank lines', '\n\na,b\n\n1,2\n\n\n3,4\n\n'],
  ])('is read with %s', async (_, text) => {
    expect(await read(text)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it.each(['', '\n', '\r\n\r\n', 'a,b', 'a,b\n'])('without a row gives none: %j', async (text) => {
    expect(await read(text)).toEqual([]);
  });

  it('tells an empty text from nothing', async () => {
    expect(await read('a,b\n,""\n"",\n')).toEqual([
      [null, ''],
      ['', null],
    ]);
  });

  it.each([';', '\t', '|', '\u0001'])('is split by the delimiter %j', async (delimiter) => {
    const text = `a${delimiter}b\n1,5${delimiter}"2${delimiter}"\n`;
    expect(await read(text, { dialect: { delimiter } })).toEqual([['1,5', `2${delimiter}`]]);
  });

  it('is not split by a delimiter of several bytes', async () => {
    await expect(read('a§b\n', { dialect: { delimiter: '§' } })).rejects.toMatchObject({
      message: '"§" cannot be a delimiter, quote or escape. Choose an ASCII character in format.options.',
    });
  });

  it('keeps an escape character that escapes nothing, as PostgreSQL does', async () => {
    const text = 'a,b\n"C:\\new","say \\"hi\\" \\\\ the\\re"\n';
    expect(await read(text, { dialect: { escape: '\\' } })).toEqual([['C:\\new', 'say "hi" \\ the\\re']]);
  });

  it('leaves quotes alone where no quoted value begins', async () => {
    expect(await read(`a,b\n5" pipe,it's "so"\n`)).toEqual([['5" pipe', `it's "so"`]]);
  });

  it.each([
    ['too few values', 'a,b\n1,2\n3\n', { type: 'malformed', place: { line: 3 } }],
    ['too many values', 'a,b\n1,2\n3,4,5\n', { type: 'malformed', place: { line: 3 } }],
    ['an unclosed quote', 'a,b\n1,2\n3,"4\n5,6\n', { type: 'malformed', place: { line: 3, column: 'b' } }],
    ['text behind a closing quote', 'a,b\n1,2\n"3"x,4\n', { type: 'malformed', place: { line: 3, column: 'a' } }],
    ['a NUL', 'a,b\n1,2\n3,x\0\n', { type: 'malformed', place: { line: 3 } }],
    ['a NUL in a CR file', 'a,b\r1,2\r3,x\0\r', { type: 'malformed', place: { line: 3 } }],
    ['broken UTF-8', Buffer.from('a,b\n1,2\n3,M\xfcller\n', 'latin1'), { type: 'malformed', place: { line: 3 } }],
    ['lines within quotes counted', 'a,b\n"1\n1",2\n3\n', { type: 'malformed', place: { line: 4 } }],
  ])('fails with its line for %s', async (_, content, expected) => {
    await expect(read(content)).rejects.toMatchObject({ name: 'BadFile', ...expected });
  });

  it('fails with its line when only the header is broken', async () => {
    await expect(read(Buffer.from('a,b\xff\n1,2\n', 'latin1'), { columns: ['a', 'b\ufffd'] })).rejects.toMatchObject({
      type: 'malformed',
      message: expect.stringMatching(/^Line 1 is not valid UTF-8\. Save the file as UTF-8/) as string,
    });
  });

  it('names line, column, value and remedy where a value does not fit', async () => {
    await expect(read('a,b\n1,2\n\n3,007\n', { type: 'bigint' })).rejects.toMatchObject({
      type: 'type_mismatch',
      place: { line: 4, column: 'b' },
      message: 'Line 4, column b: "007" cannot be stored as bigint without changing it. Correct the value.',
    });
  });

  it.each(['\n', '\r', '\r\n\r\n'])(
    'of blank lines only (%j) has no rows, with a header or without',
    async (content) => {
      for (const header of [true, false])
        for (const columns of [[], ['column1', 'column2']])
          expect(await read(content, { columns, dialect: { header } })).toEqual([]);
    },
  );

  it('counts duplicate and empty header names by place', async () => {
    expect(await read('a,a,, a \n1,2,3,4\n', { columns: ['a', 'a_2', 'column3', 'a_3'] })).toEqual([
      ['1', '2', '3', '4'],
    ]);
  });

  it('with more columns than a table can have says so', async () => {
    const wide = Array.from({ length: 1700 }, (_, i) => `c${i}`).join(',');
    await expect(read(`${wide}\n`)).rejects.toMatchObject({
      type: 'limit',
      message:
        'Line 1 has more than 1598 columns, the most that SLUICE_MAX_COLUMNS allows. Check the delimiter, or split the file.',
    });
  });

  it('finds the line of the n-th row, also behind blank lines and quoted line ends', async () => {
    const opened = await open('a,b\n\n1,"x\ny"\n\n\n2,3\n4,5\n', { pieceBytes: 3 });
    expect(await Promise.all([1, 2, 3, 4].map((row) => opened.locate(row, new Map())))).toEqual([
      { record: 1, line: 3 },
      { record: 2, line: 7 },
      { record: 3, line: 8 },
      null,
    ]);
  });
});
