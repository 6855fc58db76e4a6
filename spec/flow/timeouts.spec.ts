import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { ClosedInfo } from '../../src/index.js';
import { frame, openRaw } from '../support/raw-client.js';
import { startBackend, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

test('an idle tunnel is closed with 1001 although PINGs go both ways', async () => {
  const { port, tunnel } = await startTunnel({ idleTimeout: 0.2, pingInterval: 0.02 });
  const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
  const client = await openRaw(port);
  client.send(frame(2, 'x'), frame(9, 'p'));
  expect(await client.close()).toEqual({ code: 1001, reason: 'idle for 0.2 s' });
  client.send(frame(8)).socket.end();
  const [{ code, duration }] = await closed;
  expect(code).toBe(1001);
  expect(duration).toBeGreaterThanOrEqual(0.2);
});

test('traffic in either direction keeps a tunnel until maxDuration', async () => {
  const backend = await startBackend((socket) => {
    const beat = setInterval(() => socket.write('tick'), 20);
    socket.on('close', () => clearInterval(beat));
  });
  const server = { port: backend.port };
  const { port } = await startTunnel({ server, idleTimeout: 0.15, maxDuration: 0.5 });
  const client = await openRaw(port);
  expect(await client.close()).toEqual({ code: 1001, reason: 'open for 0.5 s' });
});

test('a backend that is silent for readTimeout closes the tunnel with 1011', async () => {
  const { port: echo } = await startEcho();
  const { port, tunnel } = await startTunnel({ server: { port: echo, readTimeout: 0.2 } });
  const client = await openRaw(port);
  client.send(frame(2, 'once'));
  expect(await client.close()).toEqual({ code: 1011, reason: 'the backend was silent for 0.2 s' });
  client.send(frame(8)).socket.end();
  await until(() => tunnel.stats().backends[0]?.load === 0);
});

test('a backend that reads nothing for writeTimeout closes the tunnel with 1011', async () => {
  const backend = await startBackend((socket) => socket.pause());
  const server = { port: backend.port, writeTimeout: 0.2 };
  const { port, tunnel } = await startTunnel({ server, limits: { buffered: 65536 }, closeTimeout: 0.2 });
  const client = await openRaw(port);
  const block = frame(2, Buffer.alloc(60_000));
  for (let i = 0; i < 400; i++) client.send(block);
  expect(await client.close()).toEqual({ code: 1011, reason: 'the backend accepted no data for 0.2 s' });
  await until(() => tunnel.stats().backends[0]?.load === 0);
});
