import fc from 'fast-check';
import { aPlan, copiedTexts, LIMITS, memoryFile } from '../../../../../test/support/copy-rows';
import type { ColumnType } from '../../column';
import { JsonReader } from './json-reader';

const reader = new JsonReader(LIMITS);

function open(content: string | Buffer, types: Record<string, ColumnType>, pieceBytes?: number) {
  const plan = aPlan({
    columns: Object.entries(types).map(([name, type]) => ({ source: name, name, type })),
    unknown: 'ignore',
  });
  const options = { path: 'f.json', ...(pieceBytes === undefined ? {} : { pieceBytes }) };
  return reader.open(memoryFile(content, options), plan);
}

async function read(content: string | Buffer, types: Record<string, ColumnType> = { a: 'json' }, pieceBytes?: number) {
  return copiedTexts(await open(content, types, pieceBytes));
}

/** Whether our reader takes `{"a": <text>}`. */
async function accepts(document: string): Promise<boolean> {
  return read(document).then(
    () => true,
    () => false,
  );
}

function parses(document: string): boolean {
  try {
    JSON.parse(document);
    return true;
  } catch {
    return false;
  }
}

describe('JSON', () => {
  const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value));
  /** Valid values with one character taken out, put in or exchanged: about as often wrong as right. */
  const nearlyJson = fc
    .tuple(
      json,
      fc.nat(),
      fc.constantFrom('', ',', ':', '"', '}', ']', '{', '[', '0', '-', '.', 'e', '\\', '\n', 'u', ' '),
      fc.nat(1),
    )
    .map(([text, at, put, cut]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + cut);
    });

  it('is accepted exactly when JSON.parse accepts it', async () => {
    await fc.assert(
      fc.asyncProperty(nearlyJson, async (value) => {
        const document = `{"a": ${value}}`;
        fc.pre(!document.includes('\\u0000'));
        expect([document, await accepts(document)]).toEqual([document, parses(document)]);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '01',
    '-01',
    '00',
    '1.',
    '.5',
    '-',
    '+1',
    '1e',
    '1e+',
    '1e5',
    '1E-5',
    '-0',
    '0.0',
    '1.5e10',
    '0x1',
    'NaN',
    'Infinity',
    '-Infinity',
    'tru',
    'True',
    'nul',
    'undefined',
    '"\\x"',
    '"\\u12g4"',
    '"\\ud800"',
    '"\\',
    '"a\tb"',
    '"a\nb"',
    "'a'",
    '[1,]',
    '[,1]',
    '[1 2]',
    '[',
    '{"b":1,}',
    '{b:1}',
    '{"b" 1}',
    '{"b":}',
    '{,}',
    '[]',
    '{}',
    '[[[]]]',
    '1 2',
    '"',
    '',
    '/* c */ 1',
    '1 // c',
    '[1}',
    '{"b":1]',
  ])('%j is accepted exactly when JSON.parse accepts it', async (value) => {
    const document = `{"a": ${value}}`;
    expect(await accepts(document)).toBe(parses(document));
  });

  it('arrives as it stands, whether in an array or in lines, cut anywhere', async () => {
    const rows = fc.array(json, { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(rows, fc.boolean(), fc.integer({ min: 1, max: 7 }), async (values, lines, pieceBytes) => {
        fc.pre(values.every((value) => !value.includes('\\u0000')));
        const records = values.map((value) => `{"a":${value}}`);
        const text = lines ? records.join('\n') : `[${records.join(',')}]`;
        const expected = values.map((value) => [value === 'null' ? null : value]);
        expect(await read(text, { a: 'json' }, pieceBytes)).toEqual(expected);
      }),
    );
  });

  it('reads the same when it is cut at any byte', async () => {
    const text =
      '\ufeff \n[ {"a": "\\u00fc\\ud83d\\ude00", "b": -1.5e3},\n {"b" : null , "a":"\\n"} , {"a":{"c":[1,{}]},"b":true} ] \n';
    const types: Record<string, ColumnType> = { a: 'text', b: 'text' };
    const whole = await read(text, types);
    expect(whole).toEqual([
      ['ü😀', '-1.5e3'],
      ['\n', null],
      ['{"c":[1,{}]}', 'true'],
    ]);
    const bytes = Buffer.from(text).length;
    for (let pieceBytes = 1; pieceBytes <= bytes; pieceBytes++)
      expect(await read(text, types, pieceBytes)).toEqual(whole);
  });

  it.each(['', ' \n\n', '[]', ' [ ] \n', '\ufeff[]', '\ufeff'])('without a record gives no row: %j', async (text) => {
    expect(await read(text)).toEqual([]);
  });

  it('gives back any text, however it is escaped', async () => {
    const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 });
    const escaped = (text: string) =>
      text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        fc.pre(values.every((value) => !/\p{Surrogate}|\0/u.test(value)));
        const plain = values.map((value) => `{"a":${JSON.stringify(value)}}`);
        const coded = values.map((value) => `{"a":"${escaped(value)}"}`);
        const expected = [...values, ...values].map((value) => [value]);
        expect(await read([...plain, ...coded].join('\n'), { a: 'text' })).toEqual(expected);
      }),
    );
    expect(await read('{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', { a: 'text' })).toEqual([['"\\/\b\f\n\r\t']]);
  });

  it('keeps the last of two members of one name', async () => {
    expect(await read('{"a": 1, "a": 2}')).toEqual([['2']]);
  });

  it.each([
    ['a bad line', '{"a":1}\n{"a":2}\n{"a":}\n', { line: 3 }],
    ['a scalar at the top', '{"a":1}\n5\n', { line: 2 }],
    ['an array of scalars', '[{"a":1},\n7]', { line: 2 }],
    ['a truncated record', '{"a":1}\n{"a":', { line: 2 }],
    ['an array never closed', '[{"a":1},\n{"a":2}\n', { line: 3 }],
    ['an array cut behind a record', '[{"a":1},\n{"a":2}', { line: 2 }],
    ['an array cut behind a comma', '[{"a":1},\n{"a":2},', { line: 2 }],
    ['something behind the array', '[{"a":1}]\n{"a":2}', { line: 2 }],
    ['a comma at the end of an array', '[{"a":1},\n]', { line: 2 }],
    ['a comma between lines', '{"a":1},\n{"a":2}', { line: 1 }],
    ['U+0000', '{"a":1}\n{"a":"x\\u0000"}', { line: 2 }],
    ['a NUL byte', '{"a":1}\n{"a":\0}', { line: 2 }],
    ['broken UTF-8', Buffer.from('{"a":1}\n{"a":"\xff"}\n', 'latin1'), { line: 2 }],
    ['half a surrogate pair as a name', '{"a":1}\n{"\\ud800":1}', { line: 2 }],
  ])('fails with its line for %s', async (_, text, place) => {
    await expect(read(text)).rejects.toMatchObject({ name: 'BadFile', type: 'malformed', place });
  });

  it('fails with the line of the value, not of the end of its record', async () => {
    const text = '[\n {\n  "a": 1,\n  "b": "x"\n },\n {\n  "a": 1.5,\n  "b": "y"\n }\n]';
    await expect(read(text, { a: 'bigint', b: 'text' })).rejects.toMatchObject({
      type: 'type_mismatch',
      place: { line: 7, column: 'a' },
      message: 'Line 7, field a: 1.5 cannot be stored as bigint without changing it. Correct the value.',
    });
  });

  it('refuses half of a surrogate pair in a text', async () => {
    await expect(read('{"a":"\\ud83d"}', { a: 'text' })).rejects.toMatchObject({
      type: 'malformed',
      place: { line: 1, column: 'a' },
    });
  });

  it('finds the line on which the n-th record begins', async () => {
    const opened = await open('[\n{"a":1},\n{\n"a":2\n}\n,\n\n{"a":3}]', { a: 'bigint' }, 3);
    expect(await Promise.all([1, 2, 3, 4].map((row) => opened.locate(row, new Map())))).toEqual([
      { record: 1, line: 2 },
      { record: 2, line: 3 },
      { record: 3, line: 8 },
      null,
    ]);
  });

  it('nested too deeply is refused, not a crash', async () => {
    await expect(read(`{"a":${'['.repeat(100_000)}`)).rejects.toMatchObject({
      type: 'limit',
      message: 'f.json, line 1: values are nested deeper than the 512 levels that SLUICE_MAX_DEPTH allows.',
    });
    const deepest = `${'['.repeat(512)}${']'.repeat(512)}`;
    expect(await read(`{"a":${deepest}}`)).toEqual([[deepest]]);
  });

  it('does not keep every name it ever met', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `{"a":${i},"k${i}":1}`).join('\n');
    expect(await read(lines)).toHaveLength(30_000);
  });
});
