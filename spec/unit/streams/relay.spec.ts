import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { endingOf, type Ending } from '../../../src/streams/close-causes.js';
import { PooledReads } from '../../../src/streams/pooled-reads.js';
import { Relay } from '../../../src/streams/relay.js';
import { tame } from '../../../src/streams/tame.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';

/** A relay between the given backend and a client that records its calls. */
function makeRelay(backend: Duplex, { buffered = 65_536, takes = true } = {}) {
  onCleanup(() => backend.destroy());
  const calls: string[] = [];
  const state = { samples: 0, mayRelease: undefined as boolean | undefined };
  const client = {
    send: (bytes: Buffer, mayRelease: boolean) => {
      state.mayRelease = mayRelease;
      calls.push(`send ${bytes.length}`);
      return takes;
    },
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
    sample: () => state.samples++ < 0,
    stalledSince: undefined,
    awaitsTurn: false,
    abandoned: 0,
    confirmDelivery: () => calls.push('delivered'),
    failDelivery: (reason: string) => {
      calls.push(`undelivered ${reason}`);
      return endingOf('undelivered', reason);
    },
    finish: () => calls.push('finish'),
    close: ({ code }: Ending) => calls.push(`close ${code}`),
  };
  const relay = new Relay(backend, { buffered, closeTimeout: 60 }, client, {
    done: ({ cause }) => calls.push(`done ${cause}`),
  });
  return { relay, calls, state };
}

/** A stream other than a socket, which accepts bytes only if `takes` is true. */
const stream = (takes: boolean) =>
  new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => takes && done() });

/** A connected socket. */
async function plainSocket(): Promise<Socket> {
  const server = createServer();
  await listen(server);
  const socket = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

test('a backend that closed before the start counts as failed, and ends its tunnel', async () => {
  const backend = stream(true).destroy();
  await once(backend, 'close');
  const { relay, calls } = makeRelay(backend);
  relay.start();
  expect(calls).toEqual(['close 1011', 'resume']);
  relay.closed(endingOf('client-lost', ''));
  expect(calls).toEqual(['close 1011', 'resume', 'done client-lost']);
});

test('a closed backend has no listener left', async () => {
  const backend = stream(true);
  const { relay } = makeRelay(backend);
  const before = ['data', 'end', 'close'].map((event) => backend.listenerCount(event));
  relay.start();
  backend.destroy();
  await once(backend, 'close');
  expect(['data', 'end', 'close'].map((event) => backend.listenerCount(event))).toEqual(before);
});

describe('the socket of a backend that has ended', () => {
  test.each([
    ['nothing failed', undefined, ['finish']],
    ['it reads no more', 'EPIPE', ['finish']],
    ['it was reset', 'ECONNRESET', []],
  ])('is checked for a reset: %s', async (_what, code, expected) => {
    const backend = await plainSocket();
    const { relay, calls } = makeRelay(backend);
    relay.start();
    const error = code === undefined ? undefined : Object.assign(new Error(code), { code });
    backend.write = ((_bytes: Buffer, written: (error?: Error) => void) => written(error)) as Socket['write'];
    backend.emit('end');
    expect(calls).toEqual(expected);
  });

  test('is not checked while bytes are queued that it may never accept', async () => {
    const backend = await plainSocket();
    const { relay, calls } = makeRelay(backend);
    relay.start();
    relay.payload(Buffer.alloc(32 * 1024 * 1024));
    backend.emit('end');
    expect(calls).toEqual(['pause', 'finish']);
  });
});

test('both sides are checked each time, so that neither looks idle for longer than it is', () => {
  const { relay, state } = makeRelay(stream(false));
  relay.payload(Buffer.from('waits'));
  relay.sample(performance.now());
  expect(state.samples).toBe(1);
  const before = relay.lastPayload;
  expect(relay.lastPayload).toBe(before);
  expect(state.samples).toBe(1);
});

test('a stall is counted from its first observation', () => {
  const backend = Object.assign(stream(false), { bytesAccepted: 0 });
  const { relay } = makeRelay(backend);
  const stalledAt = (now: number) => {
    relay.sample(now);
    return relay.stalledSince;
  };
  expect(stalledAt(1000)).toBeUndefined();
  relay.payload(Buffer.from('waits'));
  expect(stalledAt(2000)).toBe(2000);
  expect(stalledAt(3000)).toBe(2000);
  backend.bytesAccepted = 1;
  expect(stalledAt(4000)).toBe(4000);
});

test('a stream that accepts a chunk and has another queued is not stalled, one that only gets more queued is', () => {
  const waiting: (() => void)[] = [];
  const backend = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => waiting.push(done),
  });
  const { relay } = makeRelay(tame(backend));
  const stalledAt = (now: number) => {
    relay.sample(now);
    return relay.stalledSince;
  };
  relay.payload(Buffer.from('one'));
  stalledAt(1000);
  expect(stalledAt(2000)).toBe(1000);
  waiting.shift()?.();
  relay.payload(Buffer.from('two'));
  expect(backend.writableLength).toBe(3);
  expect(stalledAt(3000)).toBe(3000);
  relay.payload(Buffer.from('three'));
  expect(stalledAt(4000)).toBe(3000);
});

describe('a client that accepts no more bytes', () => {
  test('pauses the backend, which does not count as silent meanwhile', () => {
    const backend = stream(true);
    const { relay } = makeRelay(backend, { takes: false });
    relay.start();
    backend.emit('data', Buffer.from('x'));
    expect({ paused: backend.isPaused(), since: relay.silentSince }).toEqual({
      paused: true,
      since: undefined,
    });
    relay.drain();
    expect(backend.isPaused()).toBe(false);
    expect(relay.silentSince).toBeGreaterThan(0);
  });

  test("is checked for the backend's end after a Close", () => {
    const backend = stream(true);
    const { relay } = makeRelay(backend, { takes: false });
    relay.start();
    backend.emit('data', Buffer.from('x'));
    relay.closing();
    expect(backend.isPaused()).toBe(false);
    relay.destroy();
    relay.closed(endingOf('client-lost', ''));
  });
});

describe('memory of chunks', () => {
  const large = () => Buffer.allocUnsafeSlow(65_536);

  test('is not freed when another kind of stream reports the write', async () => {
    const { relay } = makeRelay(stream(true));
    const chunk = large();
    relay.payload(chunk, chunk);
    await new Promise((resolve) => setImmediate(resolve));
    expect(chunk.length).toBe(65_536);
  });

  test("is freed only where no other listener sees the backend's chunk", () => {
    const backend = new Socket();
    const { relay, state } = makeRelay(backend);
    relay.start();
    backend.emit('data', large());
    expect(state.mayRelease).toBe(true);
    backend.on('data', () => undefined);
    backend.emit('data', large());
    expect(state.mayRelease).toBe(false);
  });

  test('is at most half of the queue limit per read', () => {
    const backend = stream(true);
    const reads = new PooledReads();
    reads.belongTo(backend);
    makeRelay(backend, { buffered: 200_000 }).relay.start();
    const next = reads.onread.buffer as () => Uint8Array;
    reads.onread.callback(next().length, next());
    expect(next().buffer.byteLength).toBe(100_000);
  });

  test("the backend's last bytes are sent before its failure", async () => {
    const backend = stream(true);
    const reads = new PooledReads();
    reads.belongTo(backend);
    const { relay, calls } = makeRelay(backend);
    relay.start();
    const into = (reads.onread.buffer as () => Uint8Array)();
    reads.onread.callback(into.length, into);
    backend.destroy();
    await once(backend, 'close');
    expect(calls).toEqual(['send 4000', 'close 1011', 'resume']);
  });
});

test.each([65_536, 16_384])('only a chunk that fills a read, as with %d bytes, is gathered', async (full) => {
  const backend = await plainSocket();
  const { relay } = makeRelay(backend, { buffered: 1024 * 1024 });
  relay.payload(Buffer.from('key'), Buffer.alloc(9));
  expect(backend.writableCorked).toBe(0);
  relay.payload(Buffer.alloc(full - 14), Buffer.alloc(full));
  expect(backend.writableCorked).toBe(1);
});
