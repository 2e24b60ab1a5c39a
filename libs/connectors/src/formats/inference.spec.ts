import { ColumnEvidence, type ValueKind } from './inference';

function typeOf(values: readonly string[], kind: ValueKind = 'plain'): string {
  const evidence = new ColumnEvidence('c');
  for (const value of values) {
    const bytes = Buffer.from(value);
    evidence.observe(kind, bytes, 0, bytes.length, 1);
  }
  return evidence.type;
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
