import { DuckDb } from '@sluice/connectors';
import { complete } from '../../libs/connectors/src/formats/csv/csv-dialect';
import { CsvReader } from '../../libs/connectors/src/formats/csv/csv-reader';
import { JsonReader } from '../../libs/connectors/src/formats/json/json-reader';
import { aPlan, copied, memoryFile, SMALL_DUCKDB } from '../support/copy-rows';

const TIGHT = { recordBytes: 1024, columns: 3, depth: 2 };
const csv = new CsvReader(new DuckDb(SMALL_DUCKDB), TIGHT);
const json = new JsonReader(TIGHT);

/** Far more than one record's limit in all, handed out at once or in small pieces. */
const ROWS = 500;
const SHORT = { csv: `a,b\n${'x,1\n'.repeat(ROWS)}`, json: '{"a":"x","b":1}\n'.repeat(ROWS) };
const LONG = {
  csv: `a,b\nx,1\n${'y'.repeat(1030)},2\nz,3\n`,
  json: `{"a":"x"}\n{"a":"${'y'.repeat(1030)}"}\n{"a":"z"}`,
};

function open(format: 'csv' | 'json', content: string, pieceBytes = content.length) {
  const columns = ['a', 'b'].map((name) => ({ source: name, name, type: 'text' as const }));
  const plan = aPlan({ columns, badRows: 'reject' });
  const file = memoryFile(content, { pieceBytes });
  return format === 'csv' ? csv.open(file, { ...plan, dialect: complete({}, {}) }) : json.open(file, plan);
}

describe.each(['csv', 'json'] as const)('with tight limits, %s', (format) => {
  it.each([Infinity, 4096, 100, 7])('of short records is read in pieces of %d bytes', async (pieceBytes) => {
    const bytes = Math.min(pieceBytes, SHORT[format].length);
    const { rows } = await copied(await open(format, SHORT[format], bytes));
    expect(rows).toHaveLength(ROWS);
    const opened = await open(format, SHORT[format], bytes);
    expect(await opened.locate(3, new Map())).toMatchObject({ record: 3 });
  });

  it.each([Infinity, 2048, 100])('with a record too long fails in pieces of %d bytes', async (pieceBytes) => {
    const reading = open(format, LONG[format], Math.min(pieceBytes, LONG[format].length)).then((it) => copied(it));
    await expect(reading).rejects.toMatchObject({
      type: 'limit',
      message: expect.stringContaining('SLUICE_MAX_RECORD_BYTES') as string,
    });
  });
});

test('a record that is too long is told with its line where it is all there', async () => {
  await expect(open('csv', LONG.csv).then((it) => copied(it))).rejects.toMatchObject({
    message:
      'Line 3: the record is longer than 1024 bytes. Split the file, check its quotes, or raise SLUICE_MAX_RECORD_BYTES.',
    place: { line: 3 },
  });
});

test('more columns or deeper values than the settings allow are told by their settings', async () => {
  await expect(open('csv', 'a,b,c,d\n')).rejects.toMatchObject({
    type: 'limit',
    message:
      'Line 1 has more than 3 columns, the most that SLUICE_MAX_COLUMNS allows. Check the delimiter, or split the file.',
  });
  await expect(open('json', '{"a":1,"b":2,"c":3,"d":4}').then((it) => copied(it))).rejects.toMatchObject({
    type: 'limit',
    message: expect.stringContaining('SLUICE_MAX_COLUMNS') as string,
  });
  const { rejections } = await copied(await open('json', '{"a":[[1]]}\n{"a":[[[1]]]}'));
  expect(rejections).toMatchObject([{ record: 2, type: 'limit', reason: expect.stringContaining('SLUICE_MAX_DEPTH') }]);
});

test('of more JSON fields than a table can have, one too many is inferred', async () => {
  const file = memoryFile('{"a":1,"b":2,"c":3,"d":4,"e":5}');
  expect((await json.infer([file], {}, Infinity)).columns).toHaveLength(4);
});
