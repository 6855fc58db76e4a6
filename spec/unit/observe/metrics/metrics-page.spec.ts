import { expect, test } from 'vitest';
import { Histogram } from '../../../../src/observe/metrics/histogram.js';
import { MetricsPage } from '../../../../src/observe/metrics/metrics-page.js';
import { parseMetrics } from '../../../support/metrics.js';

test('the samples of a metric follow each other below one HELP and one TYPE', () => {
  const page = new MetricsPage();
  page.sample('wstunnel_tunnels', 1, { tunnel: 'x' });
  page.sample('wstunnel_sent_bytes_total', 2);
  page.sample('wstunnel_tunnels', 3, { tunnel: undefined });
  expect(page.toString().split('\n')).toEqual([
    '# HELP wstunnel_tunnels Open tunnels.',
    '# TYPE wstunnel_tunnels gauge',
    'wstunnel_tunnels{tunnel="x"} 1',
    'wstunnel_tunnels 3',
    '# HELP wstunnel_sent_bytes_total Payload bytes sent to clients.',
    '# TYPE wstunnel_sent_bytes_total counter',
    'wstunnel_sent_bytes_total 2',
    '',
  ]);
});

test('label values are escaped', () => {
  const page = new MetricsPage();
  const tunnel = 'a "quoted"\nback\\slash} 1';
  page.sample('wstunnel_tunnels', 1, { tunnel });
  expect(page.toString()).toContain('{tunnel="a \\"quoted\\"\\nback\\\\slash} 1"} 1\n');
  expect(parseMetrics(page.toString()).get('wstunnel_tunnels')?.samples).toEqual([
    { name: 'wstunnel_tunnels', labels: { tunnel }, value: 1 },
  ]);
});

test('a histogram ends with the bucket of all values', () => {
  const histogram = new Histogram([0.5, 1]);
  for (const value of [0.25, 0.75, 3]) histogram.observe(value);
  const page = new MetricsPage();
  page.histogram('wstunnel_client_rtt_seconds', histogram, { tunnel: 'x' });
  const rtt = 'wstunnel_client_rtt_seconds';
  expect(page.toString().split('\n').slice(2)).toEqual([
    `${rtt}_bucket{tunnel="x",le="0.5"} 1`,
    `${rtt}_bucket{tunnel="x",le="1"} 2`,
    `${rtt}_bucket{tunnel="x",le="+Inf"} 3`,
    `${rtt}_sum{tunnel="x"} 4`,
    `${rtt}_count{tunnel="x"} 3`,
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
