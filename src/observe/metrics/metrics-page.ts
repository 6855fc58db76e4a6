import { FAMILIES, type FamilyName } from './families.js';
import type { Histogram } from './histogram.js';

export type Labels = Readonly<Record<string, string | undefined>>;

/** The text of a page of metrics: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. */
export class MetricsPage {
  readonly #families = new Map<FamilyName, string[]>();

  /** Adds a sample. A label without a value is left out. */
  sample(name: FamilyName, value: number, labels: Labels = {}): void {
    this.#linesOf(name).push(`${name}${textOf(labels)} ${numberText(value)}`);
  }

  /** Adds the samples of a histogram. */
  histogram(name: FamilyName, histogram: Histogram, labels: Labels = {}): void {
    const lines = this.#linesOf(name);
    const counts = histogram.cumulativeCounts();
    for (const [index, bound] of [...histogram.bounds, Infinity].entries())
      lines.push(`${name}_bucket${textOf({ ...labels, le: numberText(bound) })} ${counts[index] ?? 0}`);
    lines.push(`${name}_sum${textOf(labels)} ${numberText(histogram.sum)}`);
    lines.push(`${name}_count${textOf(labels)} ${counts.at(-1) ?? 0}`);
  }

  toString(): string {
    return Array.from(this.#families.values(), (lines) => `${lines.join('\n')}\n`).join('');
  }

  /** The samples of a metric must follow each other, below one HELP and one TYPE. */
  #linesOf(name: FamilyName): string[] {
    const known = this.#families.get(name);
    if (known) return known;
    const [kind, help] = FAMILIES[name];
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`];
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
  return value === Infinity ? '+Inf' : String(value);
}
