import { expect, test } from 'vitest';
import { Histogram } from '../../../../src/observe/metrics/histogram.js';
import { MetricsPage } from '../../../../src/observe/metrics/metrics-page.js';
import { parseMetrics } from '../../../support/metrics.js';

test('the samples of a metric follow each other below one HELP and one TYPE', () => {
  const page = new MetricsPage();
  page.sample('a', 'gauge', 'First.', 1, { tunnel: 'x' });
  page.sample('b_total', 'counter', 'Second.', 2);
  page.sample('a', 'gauge', 'First.', 3, { tunnel: undefined });
  expect(page.toString()).toBe(
    '# HELP a First.\n# TYPE a gauge\na{tunnel="x"} 1\na 3\n# HELP b_total Second.\n# TYPE b_total counter\nb_total 2\n',
  );
});

test('label values and help are escaped', () => {
  const page = new MetricsPage();
  const tunnel = 'a "quoted"\nback\\slash} 1';
  page.sample('a', 'gauge', 'Of two\nlines, and \\.', 1, { tunnel });
  expect(page.toString()).toContain('# HELP a Of two\\nlines, and \\\\.\n');
  expect(parseMetrics(page.toString()).get('a')?.samples).toEqual([
    { name: 'a', labels: { tunnel }, value: 1 },
  ]);
});

test('a histogram ends with the bucket of all values', () => {
  const histogram = new Histogram([0.5, 1]);
  for (const value of [0.25, 0.75, 3]) histogram.observe(value);
  const page = new MetricsPage();
  page.histogram('a_seconds', 'Some.', histogram, { tunnel: 'x' });
  expect(page.toString().split('\n').slice(2)).toEqual([
    'a_seconds_bucket{tunnel="x",le="0.5"} 1',
    'a_seconds_bucket{tunnel="x",le="1"} 2',
    'a_seconds_bucket{tunnel="x",le="+Inf"} 3',
    'a_seconds_sum{tunnel="x"} 4',
    'a_seconds_count{tunnel="x"} 3',
    '',
  ]);
});

test.each([
  ['a 1', 'no end'],
  ['a 1\n', 'not below its HELP'],
  ['# HELP a x\n# TYPE a gauge\n', 'no samples'],
  ['# HELP a x\n# TYPE a gauge\na 1\na 2\n', 'twice'],
  ['# HELP a x\n# TYPE a counter\na 1\n', '_total'],
  ['# HELP a x\n# TYPE a gauge\na{b="c"d"} 1\n', 'invalid labels'],
])('the parser of the specs rejects %j', (page, message) => {
  expect(() => parseMetrics(page)).toThrow(message);
});
