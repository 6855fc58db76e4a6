import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { onWrite, openFlow, type OpenFlow } from '../support/observed-tunnel.js';
import { closeFrame, frame, openRaw } from '../support/raw-client.js';
import { undisturbed, until } from '../support/wait.js';

const BUFFERED = 65_536;
const CHUNK = 65_536;
const limits = { buffered: BUFFERED };

/** More bytes than all kernel buffers on the path can store. */
const MUCH = 32 * 1024 * 1024;

/** Bytes without a repeated part, so that a lost, doubled or swapped chunk changes the hash. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  return bytes;
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The peak number of bytes queued in the socket after a write. */
function watchWaiting(socket: Socket): () => number {
  let most = 0;
  onWrite(socket, () => (most = Math.max(most, socket.writableLength)));
  return () => most;
}

function listeners({ toClient, toBackend }: OpenFlow): number[] {
  const events = ['data', 'drain', 'end', 'close', 'error', 'pause', 'resume'];
  return [toClient, toBackend].flatMap((socket) => events.map((event) => socket.listenerCount(event)));
}

test('a backend that does not read pauses the client, and every byte arrives later', async () => {
  const flow = await openFlow({ limits });
  const most = watchWaiting(flow.toBackend);
  const before = listeners(flow);
  flow.backend.pause();
  const bytes = pattern(MUCH);
  flow.client.send(frame(2, bytes), frame(2, 'the end'));
  await until(() => flow.toClient.isPaused());
  const { bytesRead } = flow.toClient;
  expect(most()).toBeGreaterThanOrEqual(BUFFERED);
  expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK);
  // The bytes stay queued until the client reads.
  expect(flow.client.socket.writableLength).toBeGreaterThan(0);
  const hash = createHash('sha256');
  let length = 0;
  let tail = '';
  flow.backend.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.subarray(-7).toString('latin1')).slice(-7);
    hash.update(chunk.subarray(0, Math.max(0, bytes.length - length)));
    length += chunk.length;
  });
  expect(flow.toClient.bytesRead).toBe(bytesRead);
  flow.backend.resume();
  await until(() => length === bytes.length + 7);
  expect(hash.digest('hex')).toBe(sha256(bytes));
  expect(tail).toBe('the end');
  expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK);
  expect(listeners(flow)).toEqual(before);
  expect(flow.tunnel.stats()).toMatchObject({ open: 1, bytesIn: bytes.length + 7 });
});

test('tiny frames to a backend that does not read are bounded as well', async () => {
  const flow = await openFlow({ limits });
  const most = watchWaiting(flow.toBackend);
  flow.backend.pause();
  const tiny = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => frame(2, String(i).padStart(5, '0'))));
  for (let i = 0; i < 300; i++) flow.client.send(tiny);
  await until(() => flow.toClient.isPaused());
  expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK);
  let length = 0;
  flow.backend.on('data', (chunk: Buffer) => (length += chunk.length));
  flow.backend.resume();
  await until(() => length === 300 * 50_000);
});

test('a stalled backend does not delay other tunnels', async () => {
  const flow = await openFlow({ limits });
  flow.backend.pause();
  flow.client.send(frame(2, Buffer.alloc(MUCH)));
  await until(() => flow.toClient.isPaused());
  const other = await openRaw(flow.port);
  other.send(frame(2, 'passes by'));
  await until(() => flow.received().includes('passes by'));
});

test.each(['binary', 'text'] as const)(
  'a client that does not read pauses the backend, and every byte arrives later (%s)',
  async (frameType) => {
    const flow = await openFlow({ limits, frameType });
    const most = watchWaiting(flow.toClient);
    const before = listeners(flow);
    flow.client.socket.pause();
    const bytes = frameType === 'text' ? Buffer.alloc(MUCH, 'aé€🐘 ') : pattern(MUCH);
    const whole = frameType === 'text' ? bytes.subarray(0, MUCH - (MUCH % 11)) : bytes;
    flow.backend.end(whole);
    await until(() => flow.toBackend.isPaused() && most() > 0);
    // The limit counts memory: the kernel may have accepted most bytes of the queued chunk.
    expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK + 10);
    expect(listeners(flow)).toEqual(before);
    flow.client.socket.resume();
    const got = await flow.client.payload(whole.length);
    expect(sha256(got)).toBe(sha256(whole));
    expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK + 10);
    expect(await flow.client.close()).toMatchObject({ code: 1000 });
    flow.client.send(closeFrame(1000)).socket.end();
    expect(await flow.over()).toMatchObject({ code: 1000, bytesOut: whole.length });
  },
);

test('both directions at once arrive whole when both sides are slow', async () => {
  const flow = await openFlow({ limits });
  flow.backend.pause();
  flow.client.socket.pause();
  const [up, down] = [pattern(MUCH), pattern(MUCH).reverse()];
  flow.client.send(frame(2, up));
  flow.backend.write(down);
  await until(() => flow.toClient.isPaused() && flow.toBackend.isPaused());
  flow.client.socket.resume();
  expect(sha256(await flow.client.payload(down.length))).toBe(sha256(down));
  const hash = createHash('sha256');
  let length = 0;
  flow.backend.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    length += chunk.length;
  });
  flow.backend.resume();
  await until(() => length === up.length);
  expect(hash.digest('hex')).toBe(sha256(up));
});

test('a client that floods with PINGs and does not read is not read from either', async () => {
  const flow = await openFlow({ limits });
  const most = watchWaiting(flow.toClient);
  flow.client.socket.pause();
  const ping = frame(9, Buffer.alloc(125, 'p'));
  const flood = Buffer.concat(Array.from({ length: 1000 }, () => ping));
  const floods = Math.ceil(MUCH / flood.length);
  for (let i = 0; i < floods; i++) flow.client.send(flood);
  flow.client.send(frame(2, 'behind it'));
  await until(() => flow.toClient.isPaused());
  expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK);
  expect(flow.client.socket.writableLength).toBeGreaterThan(0);
  flow.client.socket.resume();
  for (let i = 0; i < floods * 1000; i++) {
    const { opcode, payload } = (await flow.client.frame())!;
    if (opcode !== 10 || payload.length !== 125) expect.unreachable('not a PONG of ours');
  }
  await until(() => flow.received().toString() === 'behind it');
  expect(most()).toBeLessThanOrEqual(BUFFERED + CHUNK);
});

/** Counts PINGs when they are written: PINGs are queued after the bytes that the client has not read. */
function countPings(socket: Socket): () => number {
  let pings = 0;
  onWrite(socket, (bytes) => {
    if (bytes.length === 2 && bytes[0] === 0x89) pings++;
  });
  return () => pings;
}

/** Lets a paused socket read the given number of bytes, or a little more. */
async function readSome(socket: Socket, length: number): Promise<void> {
  let got = 0;
  const count = (chunk: Buffer) => {
    got += chunk.length;
    if (got >= length) socket.pause();
  };
  socket.on('data', count).resume();
  await until(() => got >= length);
  socket.off('data', count);
}

test('a client that reads slowly and sends nothing keeps its tunnel', () =>
  undisturbed(200, async () => {
    const flow = await openFlow({ limits, pingInterval: 0.05, pongTimeout: 0.8 });
    const pings = countPings(flow.toClient);
    flow.client.socket.pause();
    flow.backend.write(Buffer.alloc(2 * MUCH));
    await until(() => flow.toBackend.isPaused());
    const start = pings();
    for (let seen = start; seen < start + 20; seen = pings()) {
      await readSome(flow.client.socket, 1024 * 1024);
      await until(() => pings() > seen || flow.tunnel.stats().open === 0);
    }
    expect(flow.tunnel.stats().open).toBe(1);
  }));

test('a client that neither reads nor sends is cut off', async () => {
  const flow = await openFlow({ limits, pingInterval: 0.05, pongTimeout: 0.1 });
  flow.client.socket.pause();
  flow.backend.on('end', () => flow.backend.end());
  flow.backend.write(Buffer.alloc(MUCH));
  const { code, reason } = await flow.over();
  expect({ code, reason }).toMatchObject({ code: 1006, reason: expect.stringMatching(/silent/) as string });
});
