import type { Histogram } from './histogram.js';

export type Labels = Readonly<Record<string, string | undefined>>;

type Kind = 'counter' | 'gauge' | 'histogram';

/** The text of a page of metrics: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. */
export class MetricsPage {
  readonly #families = new Map<string, string[]>();

  /** Adds a sample; `help` is that of the first sample. A label without a value is left out. */
  sample(name: string, kind: Kind, help: string, value: number, labels: Labels = {}): void {
    this.#family(name, kind, help).push(`${name}${textOf(labels)} ${numberText(value)}`);
  }

  /** Adds the samples of a histogram. */
  histogram(name: string, help: string, histogram: Histogram, labels: Labels = {}): void {
    const lines = this.#family(name, 'histogram', help);
    const counts = histogram.cumulated();
    const total = counts.at(-1) ?? 0;
    for (const [index, bound] of [...histogram.bounds, Infinity].entries())
      lines.push(`${name}_bucket${textOf({ ...labels, le: numberText(bound) })} ${counts[index] ?? total}`);
    lines.push(`${name}_sum${textOf(labels)} ${numberText(histogram.sum)}`);
    lines.push(`${name}_count${textOf(labels)} ${total}`);
  }

  toString(): string {
    return Array.from(this.#families.values(), (lines) => `${lines.join('\n')}\n`).join('');
  }

  /** The samples of a metric must follow each other, below one HELP and one TYPE. */
  #family(name: string, kind: Kind, help: string): string[] {
    const known = this.#families.get(name);
    if (known) return known;
    const lines = [`# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}`, `# TYPE ${name} ${kind}`];
    this.#families.set(name, lines);
    return lines;
  }
}

function textOf(labels: Labels): string {
  const pairs = Object.entries(labels)
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => `${label}="${(value ?? '').replace(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
