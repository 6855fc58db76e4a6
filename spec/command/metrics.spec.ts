import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { files, startCommand, runCommand, type Listening } from '../support/command.js';
import { onCleanup } from '../support/cleanup.js';
import { metric, parseMetrics } from '../support/metrics.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { closedPort, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

async function start(...args: string[]): Promise<Listening & { metrics: number }> {
  const { port } = await startEcho();
  const command = await startCommand(['0', String(port), '--metrics', '0', ...args]);
  const [, metrics] = await command.program.prints(
    /metrics at http:\/\/127\.0\.0\.1:(\d+): \/metrics, \/healthz, \/readyz/,
  );
  return { ...command, metrics: Number(metrics) };
}

describe('--metrics', () => {
  test('answers /metrics, /healthz and /readyz without a login, and no other path', async () => {
    const { port, metrics } = await start();
    await echoes(await openRaw(port, '/'));
    const response = await fetch(`http://127.0.0.1:${metrics}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(metric(text, 'wstunnel_tunnels')).toBe(1);
    expect(metric(text, 'wstunnel_build_info', { node: process.versions.node })).toBe(1);
    for (const path of ['healthz', 'readyz'])
      expect(await (await fetch(`http://127.0.0.1:${metrics}/${path}`)).text()).toBe('ok\n');
    expect((await fetch(`http://127.0.0.1:${metrics}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${metrics}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  test('is one server with --health at the same address', async () => {
    const port = String(await closedPort());
    const { program } = await startCommand(['0', '5900', '--metrics', port, '--health', port]);
    await program.prints(new RegExp(`metrics at http://127.0.0.1:${port}`));
    expect(program.output).not.toContain('health checks at');
  });

  test('with --workers has the tunnels of all workers on one page', async () => {
    const { port, metrics } = await start('--workers', '2');
    for (let tunnels = 0; tunnels < 4; tunnels++) await echoes(await openRaw(port, '/'));
    const text = await page(metrics);
    const { samples = [] } = parseMetrics(text).get('wstunnel_tunnels') ?? {};
    expect(samples.map(({ labels }) => labels)).toEqual([{ worker: '1' }, { worker: '2' }]);
    expect(samples.reduce((sum, { value }) => sum + value, 0)).toBe(4);
  });

  test('a scrape that hangs keeps no other from the page', async () => {
    const { metrics } = await start();
    for (let scrapes = 0; scrapes < 10; scrapes++) {
      const socket = connect(metrics, '127.0.0.1').on('error', () => undefined);
      onCleanup(() => void socket.destroy());
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n');
    }
    parseMetrics(await page(metrics));
  });

  test('ends the connection of a scrape that never finishes its request', async () => {
    const { metrics } = await start();
    const socket = connect(metrics, '127.0.0.1').on('error', () => undefined);
    onCleanup(() => void socket.destroy());
    const since = performance.now();
    socket.write('GET /metrics HTTP/1.1\r\n');
    await once(socket.resume(), 'close');
    expect(performance.now() - since).toBeLessThan(12_000);
  });

  test('leaves out a worker that does not answer, after two seconds', async () => {
    const { program, metrics } = await start('--workers', '2');
    const [, list = ''] = await program.prints(/workers? \(process ([\d, ]+)\)/);
    const pid = Number(list.split(', ')[0]);
    process.kill(pid, 'SIGSTOP');
    onCleanup(() => process.kill(pid, 'SIGCONT'));
    const workers = async () =>
      parseMetrics(await page(metrics))
        .get('wstunnel_tunnels')
        ?.samples.map(({ labels }) => labels['worker']);
    const since = performance.now();
    expect(await workers()).toEqual(['2']);
    expect(performance.now() - since).toBeGreaterThan(1900);
    process.kill(pid, 'SIGCONT');
    await until(async () => (await workers())?.join() === '1,2');
  });

  test('the counters survive a reload', async () => {
    const { port } = await startEcho();
    const { config } = await files({ config: JSON.stringify({ listen: '0', server: { port }, metrics: 0 }) });
    const command = await startCommand(['--config', config!]);
    const [, metrics] = await command.program.prints(/metrics at http:\/\/127\.0\.0\.1:(\d+)/);
    await echoes(await openRaw(command.port, '/'));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/were reloaded/);
    await echoes(await openRaw(command.port, '/'));
    await until(async () => metric(await page(Number(metrics)), 'wstunnel_tunnels_opened_total') === 2);
    expect(metric(await page(Number(metrics)), 'wstunnel_draining')).toBe(0);
  });

  test('rejects an address on which clients are served', async () => {
    const { code, stderr } = await runCommand(['6080', '5900', '--metrics', '6080']);
    expect(code).toBe(2);
    expect(stderr).toContain('is also a listen address: give the metrics a port or socket of their own');
  });

  test.each([['nonsense'], ['fd:3']])('rejects the address %s', async (address) => {
    const { code, stderr } = await runCommand(['0', '5900', '--metrics', address]);
    expect(code).toBe(2);
    expect(stderr).toContain('--metrics must be PORT');
  });
});
