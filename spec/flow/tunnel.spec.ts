import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { ClosedInfo, TunnelInfo } from '../../src/index.js';
import { closeFrame, frame, openRaw, RawClient, handshake } from '../support/raw-client.js';
import { startTunnel } from '../support/servers.js';

test('bytes go both ways, and the client ends the tunnel', async () => {
  const { port, tunnel } = await startTunnel();
  const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
  const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
  const client = await openRaw(port, '/tunnel?token=secret');
  client.send(frame(2, 'hello '), frame(1, 'world'));
  expect((await client.payload(11)).toString()).toBe('hello world');
  client.send(closeFrame(1000, 'bye'));
  expect(await client.close()).toEqual({ code: 1000, reason: '' });
  client.socket.end();
  await client.closed();
  const [info] = await opened;
  expect(info).toMatchObject({ url: '/tunnel?token=***', address: '127.0.0.1', bytesIn: 0 });
  const [end] = await closed;
  expect(end).toMatchObject({ id: info.id, code: 1000, reason: 'bye', bytesIn: 11, bytesOut: 11 });
  expect(tunnel.stats()).toMatchObject({
    open: 0,
    opened: 1,
    closed: { 1000: 1 },
    bytesIn: 11,
    bytesOut: 11,
  });
  expect(tunnel.stats().backends[0]).toMatchObject({ load: 0, up: true });
});

test('bytes in the same packet as the handshake are not lost', async () => {
  const { port } = await startTunnel();
  const client = new RawClient(port).send(handshake('/tunnel'), frame(2, 'early'));
  expect((await client.answer()).status).toBe(101);
  expect((await client.payload(5)).toString()).toBe('early');
});
