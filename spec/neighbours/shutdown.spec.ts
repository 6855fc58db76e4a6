import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf } from '../support/servers.js';
import { until } from '../support/wait.js';

async function serve(listener: RequestListener): Promise<Server> {
  makeTunnel({ server: { port: 1 } });
  const server = createServer(listener);
  server.keepAliveTimeout = 60_000;
  await listen(server);
  return server;
}

describe('issue 12, case 1: the end of a server that no tunnel uses', () => {
  test('closeAllConnections() closes an upgrade that its app has not answered', async () => {
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const server = await serve(() => asked());
    const client = requestTunnel(portOf(server), '/');
    await isAsked;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    expect((await client.rest()).length).toBe(0);
  });

  test('close() closes a connection that is idle after an upgrade', async () => {
    const server = await serve((_req, res) => void res.end());
    const client = requestTunnel(portOf(server), '/');
    expect((await client.answer()).headers.connection).toBe('keep-alive');
    const closed = once(server, 'close');
    // In the next event-loop turn the server has the connection back.
    await new Promise((resolve) => setImmediate(resolve));
    server.close();
    await closed;
  });

  test('after the close of the last tunnel, close() closes an idle connection at once', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const server = createServer((_req, res) => void res.end());
    server.keepAliveTimeout = 60_000;
    await listen(server);
    await requestTunnel(portOf(server), '/').answer();
    await tunnel.close({ timeout: 0.1 });
    const closed = once(server, 'close');
    server.close();
    await closed;
    await until(() => !Object.hasOwn(server, 'closeIdleConnections'));
  });

  test('after the close of the last tunnel during a request, close() closes the connection at once', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const server = createServer();
    server.keepAliveTimeout = 60_000;
    await listen(server);
    const arrived = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const client = requestTunnel(portOf(server), '/');
    const [, res] = await arrived;
    await tunnel.close({ timeout: 0.1 });
    res.end();
    await client.answer();
    const closed = once(server, 'close');
    server.close();
    await closed;
    await until(() => !Object.hasOwn(server, 'closeIdleConnections'));
  });

  test('a connection that continued with another request is not idle', async () => {
    let finish: () => void = () => undefined;
    const server = await serve((req, res) => {
      if (req.url === '/slow') finish = () => void res.end('done');
      else res.end();
    });
    const client = requestTunnel(portOf(server), '/');
    await client.answer();
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(server, 'request');
    const closed = once(server, 'close');
    server.close();
    finish();
    expect((await client.rest()).toString()).toContain('done');
    await closed;
  });

  test('the server has its original methods back once no tunnel is left', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const server = createServer((_req, res) => void res.end());
    await listen(server);
    const client = requestTunnel(portOf(server), '/');
    await client.answer();
    expect(Object.hasOwn(server, 'closeAllConnections')).toBe(true);
    await tunnel.close({ timeout: 0.1 });
    expect(Object.hasOwn(server, 'emit')).toBe(false);
    // The methods stay extended until the idle connection ends.
    client.socket.destroy();
    await until(() => !Object.hasOwn(server, 'closeAllConnections'));
    for (const name of ['closeAllConnections', 'closeIdleConnections', 'emit'])
      expect(Object.hasOwn(server, name)).toBe(false);
  });
});

describe('a library that replaces the same methods of the server', () => {
  const NAMES = ['closeAllConnections', 'closeIdleConnections'] as const;

  const methodOf = (server: Server, name: keyof Server) => Reflect.get(server, name) as () => void;

  /** A wrapper as tracing tools and shutdown helpers set it; `calls` counts, `undo` sets what was there before. */
  function wrap(server: Server, name: (typeof NAMES)[number]) {
    const before = methodOf(server, name);
    const wrapper = Object.assign(
      () => {
        wrapper.calls++;
        before.call(server);
      },
      { calls: 0, undo: () => void (server[name] = before) },
    );
    server[name] = wrapper;
    return wrapper;
  }

  async function startIdle() {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const server = createServer((_req, res) => void res.end());
    server.keepAliveTimeout = 60_000;
    await listen(server);
    const ask = async () => {
      const client = requestTunnel(portOf(server), '/');
      await client.answer();
      // In the next event-loop turn the server has the connection back.
      await new Promise((resolve) => setImmediate(resolve));
      return client;
    };
    return { tunnel, server, ask };
  }

  test.each(NAMES)('gets %s back if it came before the tunnel', async (name) => {
    const { tunnel, server, ask } = await startIdle();
    const wrapper = wrap(server, name);
    const client = await ask();
    expect(methodOf(server, name)).not.toBe(wrapper);
    server[name]();
    expect((await client.rest()).length).toBe(0);
    expect(wrapper.calls).toBe(1);
    await tunnel.close({ timeout: 0.1 });
    await until(() => methodOf(server, name) === wrapper);
  });

  test.each(NAMES)('keeps %s if it came after the tunnel, and may undo it at any time', async (name) => {
    const { tunnel, server, ask } = await startIdle();
    await ask().then(({ socket }) => socket.destroy());
    const wrapper = wrap(server, name);
    const client = await ask();
    server[name]();
    expect((await client.rest()).length).toBe(0);
    await tunnel.close({ timeout: 0.1 });
    expect(methodOf(server, name)).toBe(wrapper);
    // Further tunnels add nothing to the chain that stays.
    for (let i = 0; i < 3; i++) {
      const next = makeTunnel({ server: { port: 1 } });
      const idle = await ask();
      server[name]();
      expect((await idle.rest()).length).toBe(0);
      await next.close({ timeout: 0.1 });
      await until(() => methodOf(server, name) === wrapper);
    }
    expect(wrapper.calls).toBe(4);
    wrapper.undo();
    server[name]();
    expect(wrapper.calls).toBe(4);
  });

  test('keeps emit if it came after the tunnel, and a closed tunnel takes no upgrade below it', async () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    // Hidden in a function: the path is learned from the first request.
    const server = createServer((req, res) => tunnel(req, res, () => res.end()));
    await listen(server);
    await requestTunnel(portOf(server), '/tunnel').answer();
    const before = server.emit.bind(server) as (...args: unknown[]) => boolean;
    let events = 0;
    const wrapper = (...args: unknown[]) => {
      if (args[0] === 'upgrade') events++;
      return before(...args);
    };
    server.emit = wrapper as Server['emit'];
    await tunnel.close({ timeout: 0.1 });
    expect(methodOf(server, 'emit')).toBe(wrapper);
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Other\r\n\r\n'));
    const ask = async () => (await requestTunnel(portOf(server), '/tunnel').answer()).status;
    expect(await ask()).toBe(418);
    server.removeAllListeners('upgrade');
    expect(await ask()).toBe(503);
    expect(events).toBe(1);
  });
});

test('issue 12, case 1: our code does not run at connections of an unrelated app, even if it replaced app.handle', async () => {
  let runs = 0;
  const inner = Object.assign(express(), { handle: () => runs++ });
  const server = await serve(express().use('/inner', inner));
  const socket = connect(portOf(server), '127.0.0.1');
  onCleanup(() => socket.destroy());
  await once(server, 'connection');
  await requestTunnel(portOf(server), '/other').answer();
  expect(runs).toBe(0);
});
