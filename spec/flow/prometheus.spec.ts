import { expect, test } from 'vitest';
import { startEveryMetric } from '../support/every-metric.js';
import { describeWith } from '../support/programs.js';
import { checkMetrics, Prometheus } from '../support/prometheus.js';

describeWith('promtool')('promtool', () => {
  test('accepts a page with every metric', async () => {
    const { page } = await startEveryMetric();
    await checkMetrics(page());
    const wrong = page().replaceAll('wstunnel_sent_bytes_total', 'wstunnel_sent_bytes');
    await expect(checkMetrics(wrong)).rejects.toThrow('counter metrics should have "_total" suffix');
  });
});

describeWith('prometheus')('a Prometheus that scrapes the page of an app', () => {
  test('reads the metrics of both tunnels', { timeout: 60_000 }, async () => {
    const { port } = await startEveryMetric();
    const prometheus = await Prometheus.start({ app: [port] });
    await prometheus.shows('up{job="app"}', 1);
    await prometheus.shows('wstunnel_tunnels{tunnel="vnc"}', 1);
    await prometheus.shows('sum(wstunnel_tunnels)', 2);
    await prometheus.shows('sum(wstunnel_tunnels_opened_total)', 3);
    await prometheus.shows('wstunnel_tunnels_closed_total{cause="client-closed", code="other"}', 1);
    await prometheus.shows('wstunnel_refusals_total{tunnel="ssh", code="WSTUNNEL_BACKEND_REFUSED"}', 1);
    await prometheus.shows('count(wstunnel_backend_up == 0)', 1);
    await prometheus.shows('wstunnel_sent_bytes_total{tunnel="vnc"}', 5);
    await prometheus.shows('wstunnel_programs{state="running"}', 1);
    const quantile = 'histogram_quantile(1, sum by (le) (wstunnel_client_rtt_seconds_bucket))';
    expect(await prometheus.value(quantile)).toBeLessThanOrEqual(10);
    await expect(prometheus.query('sum(')).rejects.toThrow('parse error');
  });
});
