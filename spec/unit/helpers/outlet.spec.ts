import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Outlet } from '../../../src/helpers/outlet.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

async function startOutlet(most = 1024 * 1024) {
  const server = createServer();
  await listen(server);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect(portOf(server), '127.0.0.1');
  const [other] = await accepted;
  onCleanup(() => (socket.destroy(), other.destroy()));
  const received: Buffer[] = [];
  other.on('data', (chunk) => received.push(chunk));
  const outlet = new Outlet(socket, most, () => undefined);
  return { outlet, socket, received: () => Buffer.concat(received).toString() };
}

test('what is gathered goes out though nothing follows', async () => {
  const { outlet, socket, received } = await startOutlet();
  outlet.write(Buffer.from('one '), undefined, true);
  outlet.write(Buffer.from('two'), undefined, true);
  expect(socket.writableCorked).toBe(1);
  await until(() => received() === 'one two');
  expect(socket.writableCorked).toBe(0);
});

test('the last of a turn takes with it what was gathered', async () => {
  const { outlet, socket } = await startOutlet();
  outlet.write(Buffer.from('one '), undefined, true);
  outlet.write(Buffer.from('two'));
  expect(socket.writableCorked).toBe(0);
});

test('no more is gathered than half of what may wait', async () => {
  const { outlet, socket } = await startOutlet(100_000);
  outlet.write(Buffer.alloc(30_000), undefined, true);
  expect(socket.writableCorked).toBe(1);
  outlet.write(Buffer.alloc(30_000), undefined, true);
  expect(socket.writableCorked).toBe(0);
});
