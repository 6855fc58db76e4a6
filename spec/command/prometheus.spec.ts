import { expect, test } from 'vitest';
import { FAMILIES } from '../../src/observe/metrics/families.js';
import { startCommand, end, type Listening } from '../support/command.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { checkMetrics, Prometheus } from '../support/prometheus.js';
import { closeFrame, echoes, openRaw } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

/** The series that never fall while the process runs. */
const COUNTERS = Object.entries(FAMILIES).flatMap(([name, [kind]]) =>
  kind === 'counter'
    ? [name]
    : kind === 'histogram'
      ? ['bucket', 'count', 'sum'].map((part) => `${name}_${part}`)
      : [],
);

interface Watched extends Listening {
  readonly metrics: number;
  readonly prometheus: Prometheus;
}

async function start(...args: string[]): Promise<Watched> {
  const { port } = await startEcho();
  const command = await startCommand(['0', String(port), '--metrics', '0', ...args]);
  const metrics = Number((await command.program.prints(/metrics at http:\/\/127\.0\.0\.1:(\d+)/))[1]);
  return { ...command, metrics, prometheus: await Prometheus.start({ command: [metrics] }) };
}

const pageOf = async ({ metrics }: Watched) => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();

describeWith('prometheus', 'promtool')('a Prometheus that scrapes --metrics', () => {
  test('reads the metrics of the command, also after a reload', { timeout: 60_000 }, async () => {
    const command = await start();
    const { port, program, prometheus } = command;
    const client = await openRaw(port, '/');
    await echoes(client);
    await prometheus.shows('wstunnel_tunnels', 1);
    await checkMetrics(await pageOf(command));
    client.send(closeFrame(1000)).socket.end();
    program.process.kill('SIGHUP');
    await program.prints(/were reloaded/);
    await echoes(await openRaw(port, '/'));
    await prometheus.shows('wstunnel_tunnels_opened_total', 2);
    await prometheus.shows('wstunnel_tunnels_closed_total{cause="client-closed", code="1000"}', 1);
    const falls = await Promise.all(
      COUNTERS.map(async (name) => [name, await prometheus.value(`sum(resets(${name}[5m]))`)] as const),
    );
    expect(falls.filter(([, resets]) => resets !== undefined).length).toBeGreaterThan(10);
    expect(falls.filter(([, resets]) => resets !== undefined && resets > 0)).toEqual([]);
  });

  test('counts the tunnels of all workers, and detects the restart of one', { timeout: 60_000 }, async () => {
    const command = await start('--workers', '2', '--log', '-');
    const { port, program, prometheus } = command;
    const [, list = ''] = await program.prints(/workers? \(process ([\d, ]+)\)/);
    const pids = list.split(', ').map(Number);
    onCleanup(() => pids.forEach((pid) => end(pid)));
    const workers = () => [...program.output.matchAll(/"event":"open".*"worker":(\d+)/g)].map(([, at]) => at);
    let opened = 0;
    while (new Set(workers()).size < 2) {
      await echoes(await openRaw(port, '/'));
      opened++;
      await until(() => workers().length === opened);
    }
    await checkMetrics(await pageOf(command));
    await prometheus.shows('sum(wstunnel_tunnels)', opened);
    await prometheus.shows('count(wstunnel_tunnels)', 2);
    const ofFirst = workers().filter((worker) => worker === '1').length;
    await prometheus.shows('wstunnel_tunnels_opened_total{worker="1"}', ofFirst);
    end(pids[0]!);
    await prometheus.shows('wstunnel_tunnels_opened_total{worker="1"}', 0);
    await prometheus.shows('resets(wstunnel_tunnels_opened_total{worker="1"}[5m])', 1);
    // The tunnels of the other worker are not affected.
    await prometheus.shows('sum(wstunnel_tunnels)', opened - ofFirst);
    await prometheus.shows('sum(resets(wstunnel_tunnels_opened_total{worker="2"}[5m]))', 0);
  });
});
