import { type LoadColumn, UnknownColumns } from '@sluice/connectors';
import { JsonReader } from '../../libs/connectors/src/formats/json/json-reader';
import { aPlan, copied, LIMITS, memoryFile, texts } from '../support/copy-rows';

const reader = new JsonReader(LIMITS);

async function fieldsOf(...contents: string[]) {
  const files = contents.map((content) => memoryFile(content, { path: 'f.json' }));
  const { columns } = await reader.infer(files, {}, Infinity);
  return Object.fromEntries(columns.map(({ source, type, fields }) => [source, fields ?? type]));
}

async function load(content: string, column: Partial<LoadColumn>, unknown: 'report' | 'ignore' | 'rescue' = 'report') {
  const columns = [{ source: 'c', name: 'c', type: 'jsonb' as const, ...column }];
  return copied(await reader.open(memoryFile(content), aPlan({ columns, unknown })));
}

describe('the nested fields of a JSON column', () => {
  it('are dotted paths, through lists too, from all records', async () => {
    const fields = await fieldsOf(
      '{"id":1,"c":{"zip":1,"geo":{"lat":1}},"items":[{"sku":"a"},{"sku":"b","tags":[["x",{"deep":1}]]}]}',
      '[{"id":2,"c":{"zip":null,"a\\u0041 b":"}{,\\"[:"},"plain":{}}]',
    );
    expect(fields).toEqual({
      id: 'bigint',
      c: ['aA b', 'geo', 'geo.lat', 'zip'],
      items: ['[].sku', '[].tags', '[].tags[][].deep'],
      plain: [],
    });
  });

  it('are not told where their names are data without end', async () => {
    const members = Array.from({ length: 1200 }, (_, n) => `"k${n}":${n}`).join();
    expect(await fieldsOf(`{"c":{${members}}}`)).toEqual({ c: 'jsonb' });
  });

  it('are reported with the name of their column where they are not known, all those of a record', async () => {
    const content = '{"c":{"zip":1}}\n{"c":{"zip":1,"geo":{"lat":1}},"d":[]}';
    const failure = await load(content, { fields: ['zip'] }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnknownColumns);
    expect(failure).toMatchObject({ columns: ['d', 'c.geo', 'c.geo.lat'] });
    const list = load('{"c":[{"a":1},{"b":1}]}', { fields: ['[].a'] });
    await expect(list).rejects.toMatchObject({ columns: ['c[].b'] });
  });

  it.each([
    ['known', { fields: ['zip', 'geo', 'geo.lat'] }, 'report'],
    ['not looked for', {}, 'report'],
    ['not to be reported', { fields: [] }, 'ignore'],
    ['not to be reported but rescued, since they stay in their column', { fields: [] }, 'rescue'],
  ] as const)('are loaded where they are %s', async (_, column, unknown) => {
    const value = '{"zip":1,"geo":{"lat":1}}';
    const { rows } = await load(`{"c":${value}}`, column, unknown);
    expect(texts(rows)[0]?.[0]?.slice(1)).toBe(value);
  });
});

test('a record with more fields than a table can have says so and names the setting', async () => {
  const wide = `{${Array.from({ length: 1600 }, (_, n) => `"k${n}":1`).join()}}`;
  await expect(load(wide, {})).rejects.toMatchObject({
    type: 'limit',
    message:
      'Line 1: with its fields there are more than 1598 columns, the most that SLUICE_MAX_COLUMNS allows. Split the file, or set on_schema_change to ignore.',
  });
});

test('members are found in any order, whichever are missing, and by any spelling of their name', async () => {
  const columns = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ({ source: name, name, type: 'text' as const }));
  const lines = [
    '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}',
    '{"f":6,"a":1}',
    '{"a":1,"f":6}',
    '{ "a" : 1 , "c" : 3 , "e" : 5 }',
    '{"b":2,"x":0,"\\u0063":3,"ab":0,"":0}',
    '{}',
    '{"e":5,"d":4,"c":3,"b":2,"a":1}',
  ];
  const expected = [
    ['1', '2', '3', '4', '5', '6'],
    ['1', null, null, null, null, '6'],
    ['1', null, null, null, null, '6'],
    ['1', null, '3', null, '5', null],
    [null, '2', '3', null, null, null],
    [null, null, null, null, null, null],
    ['1', '2', '3', '4', '5', null],
  ];
  const content = [...lines, ...lines].join('\n');
  for (let pieceBytes = 1; pieceBytes < 300; pieceBytes++) {
    const opened = await reader.open(memoryFile(content, { pieceBytes }), aPlan({ columns, unknown: 'ignore' }));
    expect(texts((await copied(opened)).rows)).toEqual([...expected, ...expected]);
  }
});
