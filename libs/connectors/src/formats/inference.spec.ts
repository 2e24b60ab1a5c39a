import { PLAIN_FORMS, type ValueForms } from '../copy/value-forms';
import { ColumnEvidence, readingForms, type ValueKind } from './inference';

/** What values on line 2, 3, ... say. */
function evidenceOf(values: readonly string[], kind: ValueKind = 'plain', forms: Partial<ValueForms> = {}) {
  const evidence = new ColumnEvidence('c', readingForms({ ...PLAIN_FORMS, ...forms }));
  values.forEach((value, index) => {
    const bytes = Buffer.from(value);
    evidence.observe(kind, bytes, 0, bytes.length, index + 2);
  });
  return evidence;
}

function typeOf(values: readonly string[], kind: ValueKind = 'plain'): string {
  return evidenceOf(values, kind).type;
}

describe('the type of a column', () => {
  it.each<[string, string[]]>([
    ['bigint', ['1', '-9223372036854775808', '9223372036854775807', '0']],
    ['numeric', ['1', '9223372036854775808']],
    ['numeric', ['12345678901234567890123']],
    ['numeric', ['0.1234567890123456789']],
    ['numeric', ['1.5', '9007199254740993']],
    ['numeric', ['1.2345678901234567e-05', '0.5']],
    ['double precision', ['1.50', '2', '1e5', '-0.0', '.5', '1.23456789012345']],
    ['numeric', ['4.9e-324']],
    ['numeric', ['1e400']],
    ['text', ['007', '1']],
    ['text', ['+1']],
    ['text', [' 5']],
    ['text', ['5 ']],
    ['text', ['1.']],
    ['text', ['1,5']],
    ['text', ['1_000']],
    ['text', ['0x10']],
    ['text', ['NaN']],
    ['text', ['-0', '9007199254740993']],
    ['text', ['9'.repeat(14000)]],
    ['boolean', ['true', 'TRUE', 'False']],
    ['text', ['true', '1']],
    ['text', ['t', 'f']],
    ['text', ['yes']],
    ['date', ['2024-02-29', '0001-01-01', '9999-12-31']],
    ['text', ['2023-02-29']],
    ['text', ['2024-13-01']],
    ['text', ['0000-01-01']],
    ['text', ['24-01-01']],
    ['text', ['2024-01-01', '01/02/2024']],
    ['timestamp without time zone', ['2024-01-01', '2024-01-01 10:00', '2024-01-01T10:00:00.123456']],
    ['timestamp with time zone', ['2024-01-01T10:00:00Z', '2024-01-01 10:00:00+05:30', '2024-01-01 10:00-03']],
    ['text', ['2024-01-01T10:00:00Z', '2024-01-01T10:00:00']],
    ['text', ['2024-01-01', '2024-01-01T10:00:00Z']],
    ['text', ['2024-01-01 10:00:00.1234567']],
    ['text', ['2024-01-01 24:00:00']],
    ['text', ['2024-01-01 23:59:60']],
    ['text', []],
  ])('is %s for %j', (type, values) => {
    expect(typeOf(values)).toBe(type);
  });

  it('of JSON strings of digits is text, of dates a date', () => {
    expect([typeOf(['5'], 'string'), typeOf(['2024-01-01'], 'string'), typeOf(['true'], 'string')]).toEqual([
      'text',
      'date',
      'text',
    ]);
  });

  it('is jsonb once a nested value was met, whatever else was', () => {
    const evidence = new ColumnEvidence('c');
    evidence.observe('number', Buffer.from('1'), 0, 1, 1);
    evidence.observe('nested', Buffer.from('{}'), 0, 2, 2);
    evidence.observe('string', Buffer.from('x'), 0, 1, 3);
    expect(evidence.type).toBe('jsonb');
  });
});

describe('the type of a column whose values are written in forms of their own', () => {
  it.each<[string, string[], Partial<ValueForms>]>([
    ['double precision', ['1,5', '2'], { decimal: ',' }],
    ['text', ['1.5'], { decimal: ',' }],
    ['text', ['1.234,5'], { decimal: ',' }],
    ['bigint', ['1', '2'], { decimal: ',' }],
    ['date', ['31.12.2023'], { dateFormat: 'DD.MM.YYYY' }],
    ['text', ['2023-12-31'], { dateFormat: 'DD.MM.YYYY' }],
    ['text', ['31.12.2023', '30.02.2024'], { dateFormat: 'DD.MM.YYYY' }],
    ['date', ['20231231', '20240101'], { dateFormat: 'YYYYMMDD' }],
    ['bigint', ['20231231', '20231232'], { dateFormat: 'YYYYMMDD' }],
    ['date', ['am 01.02.2024'], { dateFormat: 'am DD.MM.YYYY' }],
    [
      'timestamp without time zone',
      ['31.12.2023 10:30', '31.12.2023'],
      { dateFormat: 'DD.MM.YYYY', timestampFormat: 'DD.MM.YYYY HH:mm' },
    ],
    ['timestamp with time zone', ['2024-01-01T00:00:00Z'], { timestampFormat: 'DD.MM.YYYY HH:mm' }],
    ['text', ['2024-01-01T00:00:00'], { timestampFormat: 'DD.MM.YYYY HH:mm' }],
  ])('is %s for %j with %j', (type, values, forms) => {
    expect(evidenceOf(values, 'plain', forms).type).toBe(type);
  });
});

describe('the reason for a type', () => {
  it.each<[string, string[], ValueKind?]>([
    ['No value was seen.', []],
    ['All 2 values seen are whole numbers.', ['1', '2']],
    ['The one value seen is true or false.', ['true']],
    ['The one value seen is a whole number.', ['1']],
    ['The one value seen is a time with a zone.', ['2024-01-01T00:00:00Z']],
    [
      'All 2 values seen are numbers of at most 15 digits; "1.50" (line 3) is no whole number of 64 bits.',
      ['1', '1.50'],
    ],
    [
      'All 2 values seen are numbers; "12345678901234567890" (line 3) would not be the same in double precision.',
      ['1', '12345678901234567890'],
    ],
    [
      'All 2 values seen are dates or times without a zone; "2024-01-01 10:00" (line 3) has a time of the day.',
      ['2024-01-01', '2024-01-01 10:00'],
    ],
    ['Text because of "007" (line 3): a number would not give it back.', ['1', '007', 'x']],
    ['Text because of "+1" (line 2): a number would not give it back.', ['+1']],
    ['Text because of "x" (line 2): it is no number, date, true or false.', ['x', '007']],
    ['Text because of "1" (line 3): it does not go with the values before, which are true or false.', ['true', '1']],
    [
      'Text because of "01/02/2024" (line 2): its order of day and month is not told; set date_format or timestamp_format in format.options.',
      ['01/02/2024'],
    ],
    ['Text because of "5" (line 2): it is written as a string and is no date in ISO 8601.', ['5'], 'string'],
    ['A list or an object was seen (line 2): {"a":1}.', ['{"a":1}'], 'nested'],
  ])('is "%s" for %j', (why, values, ...[kind]) => {
    expect(evidenceOf(values, kind).why).toBe(why);
  });

  it('counts values with thousands, and shows long ones shortened', () => {
    expect(evidenceOf(Array.from({ length: 1461 }, (_, n) => `${n}`)).why).toBe(
      'All 1,461 values seen are whole numbers.',
    );
    expect(evidenceOf(['x'.repeat(100)]).why).toContain(`"${'x'.repeat(60)}" (line 2)`);
  });
});
