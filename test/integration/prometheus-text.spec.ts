import { parsePrometheus } from '../support/prometheus-text';

const family = (name: string, type: string, ...samples: string[]) =>
  [`# HELP ${name} Help.`, `# TYPE ${name} ${type}`, ...samples, ''].join('\n');

describe('the reader of metrics', () => {
  it('reads labels with everything that is escaped in them', () => {
    const text = family('a', 'gauge', 'a{one="x\\"y\\\\z\\n",two=""} 1.5e+21', 'a NaN');
    expect(parsePrometheus(text).get('a')?.samples).toEqual([
      { name: 'a', labels: { one: 'x"y\\z\n', two: '' }, value: 1.5e21 },
      { name: 'a', labels: {}, value: NaN },
    ]);
  });

  const bucket = (le: string, value: number) => `h_bucket{le="${le}"} ${value}`;
  it.each([
    ['no end of the last line', 'a 1'],
    ['a sample without a family', 'a 1\n'],
    ['a family that comes twice', family('a', 'gauge', 'a 1') + family('a', 'gauge')],
    ['a sample of another family', family('a', 'gauge', 'b 1')],
    ['a sample that comes twice', family('a', 'gauge', 'a{x="1"} 1', 'a{x="1"} 2')],
    ['a label that comes twice', family('a', 'gauge', 'a{x="1",x="2"} 1')],
    ['a quote that is not escaped', family('a', 'gauge', 'a{x="1"2"} 1')],
    ['a value that is no number', family('a', 'gauge', 'a one')],
    ['a counter without its ending', family('a', 'counter', 'a 1')],
    ['a gauge with the ending of a counter', family('a_total', 'gauge', 'a_total 1')],
    ['a counter below 0', family('a_total', 'counter', 'a_total -1')],
    ['a unit that is no base unit', family('a_ms', 'gauge', 'a_ms 1')],
    ['a histogram without +Inf', family('h', 'histogram', bucket('1', 1), 'h_sum 1', 'h_count 1')],
    ['a histogram that falls', family('h', 'histogram', bucket('1', 2), bucket('+Inf', 1), 'h_sum 1', 'h_count 1')],
    ['a histogram without a sum', family('h', 'histogram', bucket('+Inf', 1), 'h_count 1')],
  ])('refuses %s', (_, text) => {
    expect(() => parsePrometheus(text)).toThrow(Error);
  });
});
