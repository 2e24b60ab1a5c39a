/** One metric with its samples, as they stand at the moment of a scrape. Names and units after Prometheus's conventions. */
export interface Family {
  name: string;
  help: string;
  type: 'gauge' | 'counter' | 'histogram';
  values: Sample[];
}

export interface Sample {
  value: number;
  labels: Record<string, string>;
  /** Of a histogram: the name with its ending. */
  metricName?: string;
}

/** A metric without labels; without a sample where the value is not known. */
export function gauge(name: string, help: string, value: number | boolean | null): Family {
  return { name, help, type: 'gauge', values: value === null ? [] : [{ value: Number(value), labels: {} }] };
}

/** One sample for each value of one label. */
export function gauges(name: string, help: string, label: string, values: Record<string, number>): Family {
  const samples = Object.entries(values).map(([key, value]) => ({ value, labels: { [label]: key } }));
  return { name, help, type: 'gauge', values: samples };
}

export function counter(name: string, help: string, values: Sample[]): Family {
  return { name, help, type: 'counter', values };
}
