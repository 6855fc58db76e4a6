import WebSocket from 'ws';
import type { Tunnel } from '../../src/index.js';
import { FAMILIES } from '../../src/observe/metrics/families.js';
import { MemoryBackplane, MemoryStore } from '../../src/replicas/memory-backplane.js';
import { distributedState } from '../../src/shared/distributed-state.js';
import { onCleanup } from './cleanup.js';
import { metric, parseMetrics } from './metrics.js';
import { closeFrame, openRaw, statusOf } from './raw-client.js';
import { closedPort, makeTunnel, startApp, startEcho } from './servers.js';
import { GREETER, node } from './spawned.js';
import { until } from './wait.js';

/** A running app whose page `/metrics` has a sample of every metric. */
export interface Watched {
  readonly port: number;
  readonly tunnel: Tunnel;
  readonly page: () => string;
}

/**
 * The tunnels vnc and ssh in one app, over one store. Open: a tunnel of vnc, and a tunnel of ssh to a program. Before, a tunnel of vnc was closed by
 * its client, and a request to ssh was refused because its backend was down.
 */
export async function startEveryMetric(): Promise<Watched> {
  const settings = { name: 'a', ttl: 15, timeout: 1, whenDown: 'local' } as const;
  const shared = distributedState(new MemoryBackplane(new MemoryStore(15)), settings);
  onCleanup(() => shared.close());
  const vnc = makeTunnel({
    ...{ name: 'vnc', shared, pingInterval: 0.1, revalidate: 0.2 },
    server: { port: (await startEcho()).port },
  });
  const ssh = makeTunnel({
    ...{ name: 'ssh', shared },
    server: { port: await closedPort() },
    rules: [{ when: { url: '/program' }, server: { spawn: node(GREETER, { handOver: false }) } }],
  });
  const { port } = await startApp((app) => {
    app.use('/vnc', vnc).use('/ssh', ssh);
    app.get('/metrics', (_req, res) => res.type('text/plain; version=0.0.4').send(vnc.metrics()));
  });
  const client = new WebSocket(`ws://127.0.0.1:${port}/vnc`);
  client.on('error', () => undefined);
  onCleanup(() => client.terminate());
  client.on('open', () => client.send('hello'));
  (await openRaw(port, '/vnc')).send(closeFrame(3456)).socket.end();
  await openRaw(port, '/ssh/program');
  if ((await statusOf(port, '/ssh')) !== 502) throw new Error('the closed port has accepted a connection');
  const page = () => vnc.metrics();
  await until(() => {
    const text = page();
    return (
      metric(text, 'wstunnel_tunnels', { tunnel: 'vnc' }) === 1 &&
      metric(text, 'wstunnel_sent_bytes_total', { tunnel: 'vnc' }) === 5 &&
      metric(text, 'wstunnel_tunnels_closed_total', { tunnel: 'vnc' }) === 1 &&
      metric(text, 'wstunnel_client_rtt_seconds_count', { tunnel: 'vnc' }) > 0 &&
      metric(text, 'wstunnel_revalidations_total', { tunnel: 'vnc', outcome: 'ok' }) > 0
    );
  });
  const missing = Object.keys(FAMILIES).filter((name) => !parseMetrics(page()).has(name));
  if (missing.length > 0) throw new Error(`no sample of ${missing.join(', ')}: add an event to this helper`);
  return { port, tunnel: vnc, page };
}
