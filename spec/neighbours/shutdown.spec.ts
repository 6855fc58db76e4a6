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
