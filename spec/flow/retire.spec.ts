import { describe, expect, test } from 'vitest';
import { LocalState } from '../../src/shared/local-state.js';
import { createTunnel, retire } from '../../src/wstunnel.js';
import { onCleanup } from '../support/cleanup.js';
import { echoes, openRaw, requestTunnel } from '../support/raw-client.js';
import { startApp, startBackend, startEcho } from '../support/servers.js';
import { GREETER, Marked, node } from '../support/spawned.js';
import { until } from '../support/wait.js';

describe('a tunnel object without further requests', () => {
  test('is in use while a request is in the middleware, at the backend, or open', async () => {
    const { port: echo } = await startEcho();
    const silent = await startBackend();
    const tunnel = createTunnel(
      { server: { '/echo': { port: echo }, '/tls': { port: silent.port, tls: true } }, autoAttach: false },
      new LocalState(),
    );
    onCleanup(() => tunnel.close({ timeout: 0 }));
    const waiting: (() => void)[] = [];
    const { server, port } = await startApp((app) =>
      app.use((_req, _res, next) => void waiting.push(next)).use(tunnel),
    );
    tunnel.attach(server, { path: '/', exclusive: true });
    expect(retire(tunnel)).toBe('idle');

    const gone = requestTunnel(port, '/echo');
    await until(() => waiting.length === 1);
    expect(retire(tunnel)).toBe('opening');
    gone.socket.destroy();
    await until(() => retire(tunnel) === 'idle');

    const client = requestTunnel(port, '/echo');
    await until(() => waiting.length === 2);
    expect(retire(tunnel)).toBe('opening');
    waiting[1]!();
    expect((await client.answer()).status).toBe(101);
    await until(() => retire(tunnel) === 'open');
    await echoes(client);
    client.socket.destroy();
    await until(() => retire(tunnel) === 'idle');

    const dialling = requestTunnel(port, '/tls');
    await until(() => waiting.length === 3);
    const accepted = silent.connection();
    waiting[2]!();
    await accepted;
    expect(retire(tunnel)).toBe('opening');
    dialling.socket.destroy();
    await until(() => retire(tunnel) === 'idle');
  });
});

test('issue 16: the programs that no options name end with the last of several tunnel objects that close at once', async () => {
  const marked = new Marked();
  const spawn = marked.mark(node(GREETER, { handOver: false, idleTimeout: 600 }));
  const state = new LocalState();
  const named = createTunnel({ server: { spawn: { ...spawn, minProcs: 1 } } }, state);
  const unnamed = createTunnel({ server: () => ({ spawn }) }, state);
  const { port } = await startApp((app) => app.use('/desk', unnamed));
  const client = await openRaw(port, '/desk');
  await client.payload(1);
  client.socket.destroy();
  await until(() => marked.programs().length === 2 && unnamed.stats().open === 0);
  await Promise.all([named, unnamed].map((tunnel) => tunnel.close({ timeout: 2 })));
  expect(marked.programs()).toEqual([]);
});
