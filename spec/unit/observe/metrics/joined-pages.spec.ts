import { expect, test } from 'vitest';
import { joinPages } from '../../../../src/observe/metrics/joined-pages.js';
import { MetricsPage } from '../../../../src/observe/metrics/metrics-page.js';
import { metric, parseMetrics } from '../../../support/metrics.js';

function pageWith(tunnels: number, tunnel?: string): string {
  const page = new MetricsPage();
  page.sample('wstunnel_tunnels', tunnels, { tunnel });
  page.sample('wstunnel_sent_bytes_total', 10 * tunnels);
  return page.toString();
}

test('the pages of several processes become one page with a label for the process', () => {
  const joined = joinPages('worker', [
    [1, pageWith(1, 'a b{c} 1')],
    [2, pageWith(2)],
    [3, ''],
  ]);
  expect([...parseMetrics(joined).keys()]).toEqual(['wstunnel_tunnels', 'wstunnel_sent_bytes_total']);
  expect(metric(joined, 'wstunnel_tunnels', { worker: '1', tunnel: 'a b{c} 1' })).toBe(1);
  expect(metric(joined, 'wstunnel_tunnels', { worker: '2' })).toBe(2);
  expect(metric(joined, 'wstunnel_sent_bytes_total', { worker: '1' })).toBe(10);
  expect(metric(joined, 'wstunnel_sent_bytes_total', { worker: '2' })).toBe(20);
});

test('no page gives an empty page', () => {
  expect(joinPages('worker', [])).toBe('');
});
