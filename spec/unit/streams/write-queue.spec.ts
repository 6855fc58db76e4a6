import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { WriteQueue } from '../../../src/streams/write-queue.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

async function startQueue(most = 1024 * 1024) {
  const server = createServer();
  await listen(server);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect(portOf(server), '127.0.0.1');
  const [other] = await accepted;
  onCleanup(() => (socket.destroy(), other.destroy()));
  const received: Buffer[] = [];
  other.on('data', (chunk) => received.push(chunk));
  const queue = new WriteQueue(socket, most, { drained: () => undefined });
  return { queue, socket, received: () => Buffer.concat(received).toString() };
}

test('gathered chunks are written although no other chunk follows', async () => {
  const { queue, socket, received } = await startQueue();
  queue.write(Buffer.from('one '), undefined, true);
  queue.write(Buffer.from('two'), undefined, true);
  expect(socket.writableCorked).toBe(1);
  await until(() => received() === 'one two');
  expect(socket.writableCorked).toBe(0);
});

test('the last chunk of an event-loop turn is written with the gathered ones', async () => {
  const { queue, socket } = await startQueue();
  queue.write(Buffer.from('one '), undefined, true);
  queue.write(Buffer.from('two'));
  expect(socket.writableCorked).toBe(0);
});

test('at most half of the limit is gathered', async () => {
  const { queue, socket } = await startQueue(100_000);
  queue.write(Buffer.alloc(30_000), undefined, true);
  expect(socket.writableCorked).toBe(1);
  queue.write(Buffer.alloc(30_000), undefined, true);
  expect(socket.writableCorked).toBe(0);
});

test('bytes written directly do not count as gathered', async () => {
  const { queue, socket } = await startQueue(100_000);
  queue.write(Buffer.alloc(60_000));
  queue.write(Buffer.from('one'), undefined, true);
  expect(socket.writableCorked).toBe(1);
});

test('bytes that the kernel accepts at once are not queued', async () => {
  const { queue, socket } = await startQueue(1000);
  await until(() => !socket.connecting);
  queue.write(Buffer.alloc(1000));
  expect(queue.isFull).toBe(false);
});

/** A queue to a stream that accepts one write per call of `take`. */
function startHeld(most: number) {
  const waiting: (() => void)[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => waiting.push(done),
  });
  const state = { drained: 0 };
  const queue = new WriteQueue(stream, most, { drained: () => state.drained++ });
  const take = async () => {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, state, take };
}

describe('full', () => {
  test('is reported at the limit and not a byte below', () => {
    const { queue } = startHeld(10_000);
    queue.write(Buffer.alloc(5000));
    queue.write(Buffer.alloc(4999));
    expect(queue.isFull).toBe(false);
    queue.write(Buffer.alloc(1));
    expect(queue.isFull).toBe(true);
    const exact = startHeld(10_000).queue;
    exact.write(Buffer.alloc(10_000));
    expect(exact.isFull).toBe(true);
  });

  test('counts the objects of single bytes', () => {
    const { queue } = startHeld(10_240);
    for (let at = 0; at < 10; at++) queue.write(Buffer.alloc(1));
    expect(queue.isFull).toBe(true);
  });

  test('drained is reported once the queue is empty, also after a query in between', async () => {
    const { queue, state, take } = startHeld(10_000);
    for (let at = 0; at < 3; at++) queue.write(Buffer.alloc(4000));
    expect(queue.isFull).toBe(true);
    queue.awaitDrain();
    await take();
    expect(queue.isFull).toBe(false);
    await take();
    expect(state.drained).toBe(0);
    await take();
    expect(state.drained).toBe(1);
  });

  test('drained is not reported if the queue was never full', async () => {
    const { queue, state, take } = startHeld(10_000);
    queue.write(Buffer.alloc(10_000));
    queue.awaitDrain();
    await take();
    queue.write(Buffer.alloc(10));
    await take();
    expect(state.drained).toBe(1);
  });
});
