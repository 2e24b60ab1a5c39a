/** What a scrape says, by family. */
export interface ParsedFamily {
  name: string;
  help: string;
  type: string;
  samples: ParsedSample[];
}

export interface ParsedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
/** prom-client writes `Nan`; Prometheus reads it in any case. */
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (Na[Nn]|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)$`);
/** Named by prom-client; it calls some gauges `_total`. */
const OF_THE_RUNTIME = /^(nodejs|process)_/;
const ENDINGS: Record<string, readonly string[]> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads Prometheus's text format 0.0.4 more strictly than Prometheus: HELP and TYPE once and first, the samples of a family together and each once,
 * counters ending in `_total` and never below 0, histograms whole, names and units as the conventions want them. Throws at the first fault.
 */
export function parsePrometheus(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line does not end.');
  const families = new Map<string, ParsedFamily>();
  let current: ParsedFamily | undefined;
  for (const line of text.split('\n').filter((it) => it !== '')) {
    if (line.startsWith('# HELP ')) current = begin(line, families);
    else if (line.startsWith('# TYPE ')) typed(line, current);
    else sampled(line, current);
  }
  for (const family of families.values()) assertWhole(family);
  return families;
}

/** The value of the one sample with exactly these labels. */
export function valueOf(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  return all.find((it) => it.name === name && keyOf(it.labels) === keyOf(labels))?.value;
}

function begin(line: string, families: Map<string, ParsedFamily>): ParsedFamily {
  const [, name = '', help = ''] = new RegExp(`^# HELP (${NAME}) (\\S.*)$`).exec(line) ?? fail(line);
  if (families.has(name)) throw new Error(`${name} comes twice.`);
  const family = { name, help, type: '', samples: [] };
  families.set(name, family);
  return family;
}

function typed(line: string, family: ParsedFamily | undefined): void {
  const [, name = '', type = ''] = new RegExp(`^# TYPE (${NAME}) (\\w+)$`).exec(line) ?? fail(line);
  if (family?.name !== name || family.type !== '' || !(type in ENDINGS)) fail(line);
  family.type = type;
}

function sampled(line: string, family: ParsedFamily | undefined): void {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? fail(line);
  const endings = ENDINGS[family?.type ?? ''] ?? [];
  if (!family || !endings.some((ending) => name === family.name + ending)) fail(line);
  family.samples.push({ name, labels: labelsOf(labels), value: Number(value.replace('Inf', 'Infinity')) });
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const [, name = '', value = ''] = LABEL.exec(text) ?? fail(text);
    if (name in labels) fail(text);
    labels[name] = value.replace(/\\(["\\n])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

function assertWhole({ name, type, samples }: ParsedFamily): void {
  if (type === '') throw new Error(`${name} has no type.`);
  if (!OF_THE_RUNTIME.test(name)) assertName(name, type);
  const keys = samples.map((it) => `${it.name} ${keyOf(it.labels)}`);
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a sample twice.`);
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below 0.`);
  if (type === 'histogram') assertHistogram(name, samples);
}

function assertName(name: string, type: string): void {
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`The counter ${name} does not end in _total.`);
  if (type !== 'counter' && name.endsWith('_total')) throw new Error(`${name} is no counter.`);
  if (/_(milliseconds|ms|minutes|hours|kilobytes|mb)(_|$)/.test(name)) throw new Error(`${name} has no base unit.`);
}

function assertHistogram(name: string, samples: ParsedSample[]): void {
  const series = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const key = keyOf(Object.fromEntries(Object.entries(sample.labels).filter(([label]) => label !== 'le')));
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const those of series.values()) {
    const buckets = those.filter((it) => it.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const count = those.find((it) => it.name === `${name}_count`)?.value;
    if (!isRising(bounds) || !isRising(counts, true)) throw new Error(`${name}: its buckets do not rise.`);
    if (bounds.at(-1) !== Infinity || counts.at(-1) !== count) throw new Error(`${name}: +Inf is not its count.`);
    if (!those.some((it) => it.name === `${name}_sum`)) throw new Error(`${name} has no sum.`);
  }
}

function isRising(values: number[], level = false): boolean {
  return values.every((value, index) => {
    const before = values[index - 1] ?? -Infinity;
    return level ? value >= before : value > before;
  });
}

function keyOf(labels: Record<string, string>): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function fail(line: string): never {
  throw new Error(`Not in the text format: ${line}`);
}
