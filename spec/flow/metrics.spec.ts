import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { memoryShared, wstunnel, type TunnelOptions } from '../../src/index.js';
import { MemoryStore } from '../../src/replicas/memory-backplane.js';
import { distributedState } from '../../src/shared/distributed-state.js';
import { onCleanup } from '../support/cleanup.js';
import { FakeBackplane } from '../support/fake-backplane.js';
import { openFrames } from '../support/frame-tunnel.js';
import { metric, parseMetrics } from '../support/metrics.js';
import { closeFrame, echoes, frame, openRaw, statusOf } from '../support/raw-client.js';
import {
  closedPort,
  makeTunnel,
  startApp,
  startBackend,
  startEcho,
  startTunnel,
} from '../support/servers.js';
import { GREETER, node } from '../support/spawned.js';
import { until } from '../support/wait.js';

const NAMES = [
  'backend_connect_duration_seconds',
  'backend_tunnels',
  'backend_up',
  'build_info',
  'client_rtt_seconds',
  'draining',
  'event_loop_delay_seconds',
  'handshake_duration_seconds',
  'programs',
  'queued_bytes',
  'received_bytes_total',
  'recordings_failed_total',
  'revalidations_total',
  'sent_bytes_total',
  'tunnel_duration_seconds',
  'tunnels',
  'tunnels_opened_total',
].map((name) => `wstunnel_${name}`);

describe('metrics()', () => {
  test('has every metric from the start, except counters whose labels are not known yet, and the store that is not shared', async () => {
    const { tunnel } = await startTunnel();
    expect([...parseMetrics(tunnel.metrics()).keys()].sort()).toEqual(NAMES);
  });

  test('counts open tunnels, their bytes and their ends', async () => {
    const { port, tunnel, backend } = await startTunnel();
    const host = { backend: `127.0.0.1:${backend!.port}` };
    const client = await openRaw(port);
    await client.send(frame(2, 'hello')).payload(5);
    const open = tunnel.metrics();
    expect(metric(open, 'wstunnel_tunnels')).toBe(1);
    expect(metric(open, 'wstunnel_tunnels_opened_total')).toBe(1);
    expect(metric(open, 'wstunnel_received_bytes_total')).toBe(5);
    expect(metric(open, 'wstunnel_sent_bytes_total')).toBe(5);
    expect(metric(open, 'wstunnel_backend_tunnels', host)).toBe(1);
    expect(metric(open, 'wstunnel_backend_up', host)).toBe(1);
    expect(metric(open, 'wstunnel_handshake_duration_seconds_count', { outcome: 'opened' })).toBe(1);
    expect(metric(open, 'wstunnel_backend_connect_duration_seconds_count')).toBe(1);
    client.send(closeFrame(4321)).socket.end();
    await until(() => tunnel.stats().open === 0);
    const closed = tunnel.metrics();
    const labels = { cause: 'client-closed', code: 'other' };
    expect(metric(closed, 'wstunnel_tunnels_closed_total', labels)).toBe(1);
    expect(metric(closed, 'wstunnel_tunnel_duration_seconds_count')).toBe(1);
    expect(metric(closed, 'wstunnel_tunnels')).toBe(0);
    expect(metric(closed, 'wstunnel_backend_tunnels', host)).toBe(0);
    expect(metric(closed, 'wstunnel_received_bytes_total')).toBe(5);
  });

  test('counts refusals by code, and failures of a backend that is listed', async () => {
    const dead = await closedPort();
    const { port, tunnel } = await startTunnel({
      server: { port: dead },
      rules: [{ when: { url: '/no' }, authenticate: () => false }],
    });
    expect(await statusOf(port)).toBe(502);
    expect(await statusOf(port, '/tunnel/no')).toBe(401);
    const page = tunnel.metrics();
    const backend = `127.0.0.1:${dead}`;
    expect(metric(page, 'wstunnel_refusals_total', { code: 'WSTUNNEL_BACKEND_REFUSED' })).toBe(1);
    expect(metric(page, 'wstunnel_refusals_total', { code: 'WSTUNNEL_NOT_AUTHENTICATED' })).toBe(1);
    expect(metric(page, 'wstunnel_backend_failures_total', { backend })).toBe(1);
    expect(metric(page, 'wstunnel_backend_up', { backend })).toBe(0);
    expect(metric(page, 'wstunnel_handshake_duration_seconds_count', { outcome: 'failed' })).toBe(1);
    expect(metric(page, 'wstunnel_handshake_duration_seconds_count', { outcome: 'refused' })).toBe(1);
  });

  test('names no user, no address, no URL, and no host of a server function', async () => {
    const { port: backend } = await startEcho();
    const dead = await closedPort();
    const { port, tunnel } = await startTunnel({
      server: (req) => ({ host: '127.0.0.1', port: req.url?.includes('dead') === true ? dead : backend }),
      user: () => 'ann-the-user',
    });
    await echoes(await openRaw(port, '/tunnel/secret-path?token=secret-token'));
    expect(await statusOf(port, '/tunnel/dead')).toBe(502);
    const page = tunnel.metrics();
    expect(metric(page, 'wstunnel_backend_tunnels', { backend: 'dynamic' })).toBe(1);
    expect(metric(page, 'wstunnel_backend_failures_total', { backend: 'dynamic' })).toBe(1);
    for (const text of ['ann', 'secret', '127.0.0.1', String(backend), String(dead)])
      expect(page).not.toContain(text);
  });

  test('measures the round trip from each PING to its PONG, and ignores other PONGs', async () => {
    const { port, tunnel } = await startTunnel({ pingInterval: 0.1, pongTimeout: 0 });
    const client = await openRaw(port);
    client.send(frame(10, 'unasked'));
    const count = () => metric(tunnel.metrics(), 'wstunnel_client_rtt_seconds_count');
    expect([await client.frame(), await client.frame()]).toMatchObject([{ opcode: 9 }, { opcode: 9 }]);
    expect(count()).toBe(0);
    client.send(frame(10, ''));
    await until(() => count() === 1);
    const sum = metric(tunnel.metrics(), 'wstunnel_client_rtt_seconds_sum');
    expect(sum).toBeGreaterThan(0.08);
  });

  test('measures the round trip to a client of a backend that speaks WebSocket', async () => {
    const { tunnel, client } = await openFrames({ options: { pingInterval: 0.1 } });
    const ping = await client.frame();
    client.send(frame(10, ping!.payload));
    await until(() => metric(tunnel.metrics(), 'wstunnel_client_rtt_seconds_count') === 1);
    expect(metric(tunnel.metrics(), 'wstunnel_tunnels')).toBe(1);
  });

  test('counts the processes of programs', async () => {
    const { port, tunnel } = await startTunnel({ server: { spawn: node(GREETER, { handOver: false }) } });
    expect(metric(tunnel.metrics(), 'wstunnel_programs', { state: 'running' })).toBe(0);
    await openRaw(port);
    expect(metric(tunnel.metrics(), 'wstunnel_programs', { state: 'running' })).toBe(1);
  });

  test('counts failures of a program that no tunnel was waiting for', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const server = { spawn: node('process.exit(3)', { minProcs: 1 }) };
    const vnc = makeTunnel({ name: 'vnc', shared, server });
    makeTunnel({ name: 'vnc', shared, server });
    makeTunnel({ name: 'ssh', shared, server: { port: await closedPort() } });
    await until(() => metric(vnc.metrics(), 'wstunnel_backend_failures_total', { tunnel: 'vnc' }) > 0);
    expect(metric(vnc.metrics(), 'wstunnel_backend_failures_total', { tunnel: 'ssh' })).toBe(0);
    expect(metric(vnc.metrics(), 'wstunnel_backend_up', { tunnel: 'vnc' })).toBe(0);
  });

  test('shows a backend as down until it accepts a connection again, longer than disableTime', async () => {
    const port = await closedPort();
    const site = await startTunnel({ server: { port, disableTime: 0 } });
    const up = () => metric(site.tunnel.metrics(), 'wstunnel_backend_up');
    expect(up()).toBe(1);
    expect(await statusOf(site.port)).toBe(502);
    expect(up()).toBe(0);
    const late = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await once(late.listen(port, '127.0.0.1'), 'listening');
    onCleanup(() => late.close());
    expect(up()).toBe(0);
    await openRaw(site.port);
    expect(up()).toBe(1);
  });

  test('has one series for all close codes from 3000 to 4999', async () => {
    const { port, tunnel } = await startTunnel();
    for (let code = 3000; code < 5000; code += 25) {
      const client = await openRaw(port);
      client.send(closeFrame(code)).socket.end();
    }
    await until(() => tunnel.stats().open === 0 && tunnel.stats().opened === 80);
    const { samples = [] } = parseMetrics(tunnel.metrics()).get('wstunnel_tunnels_closed_total') ?? {};
    expect(samples.map(({ labels, value }) => [labels, value])).toEqual([
      [{ cause: 'client-closed', code: 'other' }, 80],
    ]);
  });

  test('counts login checks', async () => {
    const { port, tunnel } = await startTunnel({ revalidate: 0.2 });
    await openRaw(port);
    await until(() => metric(tunnel.metrics(), 'wstunnel_revalidations_total', { outcome: 'ok' }) > 0);
  });

  test('shows whether the store of the shared state answers, and nothing without a store', async () => {
    const backplane = new FakeBackplane(new MemoryStore(1));
    const shared = distributedState(backplane, { name: 'a', ttl: 1, timeout: 0.5, whenDown: 'local' });
    onCleanup(() => shared.close());
    backplane.set('fails');
    const { tunnel } = await startTunnel({ name: 'vnc', shared });
    const shownUp = () => metric(tunnel.metrics(), 'wstunnel_shared_up', { tunnel: 'vnc' });
    expect(parseMetrics(tunnel.metrics()).get('wstunnel_shared_up')?.samples).toHaveLength(1);
    expect(shownUp()).toBe(0);
    backplane.set('fine');
    await until(() => shownUp() === 1);
    backplane.set('fails');
    await until(() => shownUp() === 0);
    backplane.set('fine');
    await until(() => shownUp() === 1);
    await shared.close();
    expect(shownUp()).toBe(0);
    const kept = memoryShared();
    onCleanup(() => kept.close());
    expect((await startTunnel({ shared: kept })).tunnel.metrics()).not.toContain('shared_up');
  });

  test('shows bytes that a slow client does not accept', async () => {
    const { port: backend } = await startBackend((socket) => socket.write(Buffer.alloc(30_000_000)));
    const { port, tunnel } = await startTunnel({ server: { port: backend } });
    const client = await openRaw(port);
    client.socket.pause();
    await until(() => metric(tunnel.metrics(), 'wstunnel_queued_bytes', { to: 'client' }) > 0);
    expect(metric(tunnel.metrics(), 'wstunnel_queued_bytes', { to: 'backend' })).toBe(0);
  });

  test('shows that close() was called, and the counters afterwards', async () => {
    const { port, tunnel } = await startTunnel();
    await openRaw(port);
    expect(metric(tunnel.metrics(), 'wstunnel_draining')).toBe(0);
    await tunnel.close({ timeout: 0 });
    const page = tunnel.metrics();
    expect(metric(page, 'wstunnel_draining')).toBe(1);
    expect(metric(page, 'wstunnel_tunnels_opened_total')).toBe(1);
    expect(metric(page, 'wstunnel_tunnels_closed_total')).toBe(1);
  });
});

describe('several tunnel objects', () => {
  const options = async (): Promise<TunnelOptions> => ({ server: { port: (await startEcho()).port } });

  test('that share a state have one page, with a label for each name', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const vnc = makeTunnel({ ...(await options()), shared, name: 'vnc' });
    const ssh = makeTunnel({ ...(await options()), shared, name: 'ssh' });
    const { port } = await startApp((app) => app.use('/vnc', vnc).use('/ssh', ssh));
    await openRaw(port, '/vnc');
    for (const page of [vnc.metrics(), ssh.metrics(), vnc.metrics(ssh, vnc)]) {
      expect(metric(page, 'wstunnel_tunnels', { tunnel: 'vnc' })).toBe(1);
      expect(metric(page, 'wstunnel_tunnels', { tunnel: 'ssh' })).toBe(0);
    }
  });

  test('with states of their own share a page if passed as arguments with different names', async () => {
    const vnc = makeTunnel({ ...(await options()), name: 'vnc' });
    const ssh = makeTunnel({ ...(await options()), name: 'ssh' });
    const same = makeTunnel({ ...(await options()), name: 'vnc' });
    expect(
      [...vnc.metrics(ssh).matchAll(/^wstunnel_tunnels\{tunnel="(.*)"\}/gm)].map(([, name]) => name),
    ).toEqual(['vnc', 'ssh']);
    parseMetrics(vnc.metrics(ssh));
    expect(() => vnc.metrics(same)).toThrow('set the option name of each tunnel');
    expect(() => vnc.metrics({} as never)).toThrow('metrics() takes tunnel objects');
  });

  test('keep the counters over a reload', async () => {
    const shared = memoryShared();
    onCleanup(() => shared.close());
    const base = await options();
    let tunnel = wstunnel({ ...base, shared });
    const { port, server } = await startApp((app) => app.use('/tunnel', (...args) => tunnel(...args)));
    tunnel.attach(server);
    await openRaw(port);
    const client = await openRaw(port);
    await client.send(frame(2, 'hello')).payload(5);
    const old = tunnel;
    tunnel = makeTunnel({ ...base, shared });
    tunnel.attach(server);
    expect(metric(tunnel.metrics(), 'wstunnel_draining')).toBe(0);
    const closing = old.close({ timeout: 0 });
    expect(metric(tunnel.metrics(), 'wstunnel_draining')).toBe(0);
    await closing;
    const page = tunnel.metrics();
    expect(metric(page, 'wstunnel_tunnels_opened_total')).toBe(2);
    expect(metric(page, 'wstunnel_received_bytes_total')).toBe(5);
    expect(metric(page, 'wstunnel_tunnels')).toBe(0);
    expect(
      old
        .metrics()
        .split('\n')
        .filter((line) => line.startsWith('wstunnel_tunnels')),
    ).toEqual(page.split('\n').filter((line) => line.startsWith('wstunnel_tunnels')));
  });
});
