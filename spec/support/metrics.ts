/** A sample of a page of metrics. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly type: string;
  readonly samples: Sample[];
}

const NAME = /^[a-z][a-z0-9_]*$/;

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;

/** Reads a page in Prometheus's format 0.0.4, more strictly than Prometheus does, and returns the metrics by name. */
export function parseMetrics(page: string): Map<string, Family> {
  if (!page.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  const series = new Set<string>();
  const lines = page.slice(0, -1).split('\n');
  let current: { name: string; family: Family } | undefined;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const help = /^# HELP (\S+) (\S.*)$/.exec(line);
    if (help) {
      const name = help[1] ?? '';
      const [, typed, type = ''] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(lines[++at] ?? '') ?? [];
      if (!NAME.test(name) || typed !== name) throw new Error(`no TYPE after ${line}`);
      if (families.has(name)) throw new Error(`${name} comes twice`);
      if ((type === 'counter') !== name.endsWith('_total'))
        throw new Error(`_total is for counters: ${name}`);
      current = { name, family: { type, samples: [] } };
      families.set(name, current.family);
      continue;
    }
    const sample = readSample(line);
    const { type } = current?.family ?? {};
    const suffix =
      current && sample.name.startsWith(current.name) ? sample.name.slice(current.name.length) : '?';
    if (!(type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).includes(suffix))
      throw new Error(`${line} is not below its HELP`);
    const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (series.has(key)) throw new Error(`${line} comes twice`);
    series.add(key);
    current?.family.samples.push(sample);
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

/** The value of the only sample with these labels; 0 if there is none. */
export function metric(page: string, name: string, labels: Record<string, string> = {}): number {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const families = parseMetrics(page);
  const { samples = [] } = families.get(name) ?? families.get(base) ?? {};
  const found = samples.filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length > 1) throw new Error(`${found.length} samples of ${name}`);
  return found[0]?.value ?? 0;
}

function readSample(line: string): Sample {
  const [, name = '', text = '', number = ''] = SAMPLE.exec(line) ?? [];
  if (name === '') throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, label, value = ''] = LABEL.exec(text) ?? [];
    if (label === undefined || label in labels) throw new Error(`invalid labels: ${line}`);
    labels[label] = value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
  }
  const value = number === '+Inf' ? Infinity : Number(number);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return { name, labels, value };
}

function checkFamily(name: string, { type, samples }: Family): void {
  if (samples.length === 0) throw new Error(`${name} has no samples`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is negative`);
  if (type !== 'histogram') return;
  let before = -1;
  for (const { name: part, labels, value } of samples)
    if (part.endsWith('_bucket')) {
      if (labels['le'] === undefined || value < before) throw new Error(`${name}: buckets must rise`);
      before = value;
      if (labels['le'] !== '+Inf') continue;
    } else if (part.endsWith('_count')) {
      if (value !== before) throw new Error(`${name}: _count differs from the last bucket`);
      before = -1;
    }
}

/** The labels of each series name of a page. */
export function metricsLabels(page: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { samples } of parseMetrics(page).values())
    for (const { name, labels } of samples)
      found.set(name, new Set([...(found.get(name) ?? []), ...Object.keys(labels)]));
  return found;
}
