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

/** A relay between a backend that is given and a client that notes what it is told. */
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
    abandoned: 0,
    confirmDelivery: () => calls.push('delivered'),
    failDelivery: (reason: string) => {
      calls.push(`undelivered ${reason}`);
      return endingOf('undelivered', reason);
    },
    finish: () => calls.push('finish'),
    close: ({ code }: Ending) => calls.push(`close ${code}`),
  };
  const relay = new Relay(backend, { buffered, closeTimeout: 60 }, client, ({ cause }) =>
    calls.push(`done ${cause}`),
  );
  return { relay, calls, state };
}

/** A stream that is no socket, and takes nothing unless `takes`. */
const stream = (takes: boolean) =>
  new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => takes && done() });

/** A socket that is connected. */
async function plainSocket(): Promise<Socket> {
  const server = createServer();
  await listen(server);
  const socket = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

test('a backend that was gone before the start has failed, and its tunnel ends', async () => {
  const backend = stream(true).destroy();
  await once(backend, 'close');
  const { relay, calls } = makeRelay(backend);
  relay.start();
  expect(calls).toEqual(['close 1011', 'resume']);
  relay.closed(endingOf('client-lost', ''));
  expect(calls).toEqual(['close 1011', 'resume', 'done client-lost']);
});

test('a backend that is closed is listened to no more', async () => {
  const backend = stream(true);
  const { relay } = makeRelay(backend);
  const before = ['data', 'end', 'close'].map((event) => backend.listenerCount(event));
  relay.start();
  backend.destroy();
  await once(backend, 'close');
  expect(['data', 'end', 'close'].map((event) => backend.listenerCount(event))).toEqual(before);
});

describe('a socket of a backend that has ended', () => {
  test.each([
    ['nothing failed', undefined, ['finish']],
    ['it reads no more', 'EPIPE', ['finish']],
    ['it was reset', 'ECONNRESET', []],
  ])('is asked whether that was a reset: %s', async (_what, code, expected) => {
    const backend = await plainSocket();
    const { relay, calls } = makeRelay(backend);
    relay.start();
    const error = code === undefined ? undefined : Object.assign(new Error(code), { code });
    backend.write = ((_bytes: Buffer, written: (error?: Error) => void) => written(error)) as Socket['write'];
    backend.emit('end');
    expect(calls).toEqual(expected);
  });

  test('is not asked behind bytes that it may never take', async () => {
    const backend = await plainSocket();
    const { relay, calls } = makeRelay(backend);
    relay.start();
    relay.payload(Buffer.alloc(32 * 1024 * 1024));
    backend.emit('end');
    expect(calls).toEqual(['pause', 'finish']);
  });
});

test('both sides are looked at each time, so that none is found to have moved long ago', () => {
  const { relay, state } = makeRelay(stream(false));
  relay.payload(Buffer.from('waits'));
  relay.sample(performance.now());
  expect(state.samples).toBe(1);
  const before = relay.lastPayload;
  expect(relay.lastPayload).toBe(before);
  expect(state.samples).toBe(1);
});

test('a stall is counted from when it was first seen', () => {
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

test('a stream that takes one and has the next waiting has not stalled, one that is only given more has', () => {
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

describe('a client that takes no more', () => {
  test('the backend is paused, and is not silent meanwhile', () => {
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

  test('behind a Close the end of the backend is looked for', () => {
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

describe('memory', () => {
  const large = () => Buffer.allocUnsafeSlow(65_536);

  test('a chunk that a stream of another kind calls written is not freed', async () => {
    const { relay } = makeRelay(stream(true));
    const chunk = large();
    relay.payload(chunk, chunk);
    await new Promise((resolve) => setImmediate(resolve));
    expect(chunk.length).toBe(65_536);
  });

  test('a chunk of the backend may be freed where nobody else listens', () => {
    const backend = new Socket();
    const { relay, state } = makeRelay(backend);
    relay.start();
    backend.emit('data', large());
    expect(state.mayRelease).toBe(true);
    backend.on('data', () => undefined);
    backend.emit('data', large());
    expect(state.mayRelease).toBe(false);
  });

  test('one read is at most half of what may wait', () => {
    const backend = stream(true);
    const reads = new PooledReads();
    reads.belongTo(backend);
    makeRelay(backend, { buffered: 200_000 }).relay.start();
    const next = reads.onread.buffer as () => Uint8Array;
    reads.onread.callback(next().length, next());
    expect(next().buffer.byteLength).toBe(100_000);
  });

  test('what the backend sent last goes out before its failure', async () => {
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

test('only what fills a read of the kernel waits for what follows it', async () => {
  const backend = await plainSocket();
  const { relay } = makeRelay(backend, { buffered: 1024 * 1024 });
  relay.payload(Buffer.from('key'), Buffer.alloc(9));
  expect(backend.writableCorked).toBe(0);
  relay.payload(Buffer.alloc(65_522), Buffer.alloc(65_536));
  expect(backend.writableCorked).toBe(1);
});
