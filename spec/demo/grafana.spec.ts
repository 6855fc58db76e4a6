import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { FAMILIES } from '../../src/observe/metrics/families.js';
import { metricsLabels } from '../support/metrics.js';
import { startEveryMetric } from '../support/every-metric.js';
import { describeWith } from '../support/programs.js';
import { Prometheus, promtool } from '../support/prometheus.js';
import { holds } from '../support/wait.js';

const FOLDER = new URL('../../demo/grafana/', import.meta.url);

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
  readonly targets?: readonly Target[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
}

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: { readonly description: string };
    }[];
  }[];
}

const textOf = (file: string) => readFileSync(new URL(file, FOLDER), 'utf8');
const DASHBOARD = JSON.parse(textOf('dashboard.json')) as Dashboard;
const VARIABLES = DASHBOARD.templating.list;
const PANELS = DASHBOARD.panels.filter(({ type }) => type !== 'row');
const RULES = (parse(textOf('alerts.yml')) as Rules).groups.flatMap(({ rules }) => rules);

/** The labels that Prometheus adds, and the label of the command's `--workers`. */
const ADDED = ['job', 'instance', 'worker'];

/** An expression as Grafana sends it, with all values of each variable. */
function filledIn(expression: string): string {
  return expression.replaceAll('$__rate_interval', '1m').replace(/\$(\w+)/g, (_, name: string) => {
    if (!VARIABLES.some((variable) => variable.name === name)) throw new Error(`no variable ${name}`);
    return '.*';
  });
}

/** The metrics of an expression, and the labels that the expression selects, groups by or compares. */
function namesIn(expression: string): { metrics: string[]; labels: string[] } {
  const metrics = [...expression.matchAll(/\bwstunnel_\w+/g)].map(([name]) => name);
  const selected = [...expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = '']) => label);
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */));
  return { metrics, labels: [...selected, ...grouped] };
}

const EXPRESSIONS: [where: string, expression: string][] = [
  ...PANELS.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }): [string, string] => [`${title} ${refId}`, expr]),
  ),
  ...RULES.map(({ alert, expr }): [string, string] => [alert, expr]),
];

describe('the dashboard', () => {
  test('has panels with a unit, a place of their own and the data source of the variable', () => {
    expect(DASHBOARD.uid).toMatch(/^[\w-]{1,40}$/);
    expect(DASHBOARD.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(VARIABLES.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance', 'tunnel']);
    const ids = DASHBOARD.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = DASHBOARD.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
    for (const { title, fieldConfig, targets = [] } of PANELS) {
      expect(fieldConfig?.defaults.unit, title).toMatch(/^(short|ops|Bps|bytes|s)$/);
      expect(targets.length, title).toBeGreaterThan(0);
      for (const target of targets)
        expect(target, title).toMatchObject({ datasource: { type: 'prometheus', uid: '${datasource}' } });
    }
  });

  test('shows every metric', () => {
    const shown = PANELS.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr).metrics));
    const names = shown.map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    expect([...new Set(names)].sort()).toEqual(Object.keys(FAMILIES).sort());
  });

  test('has legends with labels by which the expression groups', () => {
    for (const { title, targets = [] } of PANELS)
      for (const { expr, legendFormat } of targets)
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(expr, title).toMatch(new RegExp(`by \\([^)]*\\b${label}\\b`));
  });
});

describe('the expressions of the dashboard and of the alert rules', () => {
  test('name only metrics and labels that exist', async () => {
    const known = metricsLabels((await startEveryMetric()).page());
    const queries = VARIABLES.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query]));
    expect(queries).toHaveLength(3);
    for (const expression of [...EXPRESSIONS.map(([, text]) => text), ...queries]) {
      const { metrics, labels } = namesIn(expression);
      expect(metrics.length, expression).toBeGreaterThan(0);
      for (const name of metrics) {
        expect([...known.keys()], expression).toContain(name);
        expect([...(known.get(name) ?? []), ...ADDED], expression).toEqual(expect.arrayContaining(labels));
      }
    }
  });
});

describeWith('prometheus', 'promtool')('a real Prometheus', () => {
  test('has data for each expression of the dashboard', { timeout: 60_000 }, async () => {
    const { port } = await startEveryMetric();
    const prometheus = await Prometheus.start({ app: [port] });
    await prometheus.shows('count_over_time(up{job="app"}[1m]) >= bool 3', 1);
    const panels = EXPRESSIONS.slice(0, EXPRESSIONS.length - RULES.length);
    expect(panels.length).toBeGreaterThan(20);
    for (const [where, expression] of panels)
      await holds(async () => {
        expect((await prometheus.query(filledIn(expression))).length, where).toBeGreaterThan(0);
      });
    for (const { expr } of RULES) await prometheus.query(expr);
  });

  test('accepts the alert rules, whose tests pass and cover each rule, and which say what to do first', async () => {
    for (const { annotations } of RULES) expect(annotations.description).toMatch(/^First /);
    const rules = fileURLToPath(new URL('alerts.yml', FOLDER));
    const tests = fileURLToPath(new URL('alerts.test.yml', FOLDER));
    expect(await promtool(['check', 'rules', rules])).toContain(`${RULES.length} rules found`);
    await promtool(['test', 'rules', tests]);
    const tested = [...textOf('alerts.test.yml').matchAll(/alertname: (\w+)/g)].map(([, alert]) => alert);
    expect(new Set(tested)).toEqual(new Set(RULES.map(({ alert }) => alert)));
    const listed = [...textOf('README.md').matchAll(/^\| `(Wstunnel\w+)`/gm)].map(([, alert]) => alert);
    expect(listed).toEqual(RULES.map(({ alert }) => alert));
  });
});
