import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocketStream, type StreamSettings } from '../../../src/frames/websocket-stream.js';
import { endingOf } from '../../../src/streams/close-causes.js';
import { PooledReads } from '../../../src/streams/pooled-reads.js';
import { tame } from '../../../src/streams/tame.js';
import { onCleanup } from '../../support/cleanup.js';
import { closeFrame, frame } from '../../support/raw-client.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

interface Given extends Partial<StreamSettings> {
  readonly head?: Buffer;
  readonly destroyed?: boolean;
  /** Each write is accepted only when `take` is called. */
  readonly held?: boolean;
  /** If false, the stream never emits `close`. */
  readonly emitClose?: boolean;
}

/** An ending with this code; the cause does not matter here. */
const ended = (code: number) => endingOf('ended-by-app', '', code);

/** A stream on a Duplex instead of a socket: written bytes are collected, and the test pushes bytes to read. */
function startStream(all: Given = {}) {
  const { head = Buffer.alloc(0), destroyed = false, held = false, emitClose = true, ...given } = all;
  const written: Buffer[] = [];
  const waiting: (() => void)[] = [];
  const socket = Object.assign(
    new Duplex({
      emitClose,
      read: () => undefined,
      write: (chunk: Buffer, _, done) => {
        written.push(chunk);
        const accept = () => {
          socket.bytesAccepted += chunk.length;
          done();
        };
        if (held) waiting.push(accept);
        else accept();
      },
    }),
    { bytesAccepted: 0 },
  );
  if (destroyed) socket.destroy();
  onCleanup(() => socket.destroy());
  const calls: string[] = [];
  const settings = {
    frameType: 'binary',
    pingInterval: 0,
    pongTimeout: 0,
    closeTimeout: 60,
    buffered: 65_536,
    ...given,
  } as const;
  const stream = new WebSocketStream(emitClose ? socket : tame(socket), settings, {
    payload: (bytes) => calls.push(`payload ${bytes.toString()}`),
    drain: () => calls.push('drain'),
    closing: ({ code }) => calls.push(`closing ${code}`),
    ended: () => calls.push('ended'),
    closed: ({ code }) => calls.push(`closed ${code}`),
  });
  stream.start(head);
  const take = () => waiting.shift()?.();
  return { stream, socket, calls, take, written: () => Buffer.concat(written).toString('hex') };
}

test('chunks that may be shared are not overwritten', async () => {
  const chunk = frame(2, 'read by others too');
  const head = frame(2, 'head ');
  const [chunkBefore, headBefore] = [Buffer.from(chunk), Buffer.from(head)];
  const { socket, calls } = startStream({ head });
  socket.push(chunk);
  await once(socket, 'data');
  expect(calls).toEqual(['payload head ', 'payload read by others too']);
  expect(chunk).toEqual(chunkBefore);
  expect(head).toEqual(headBefore);
});

test('nothing is sent after a Close', () => {
  const { stream, written } = startStream();
  stream.send(Buffer.from('a'));
  stream.close(ended(1000));
  expect(stream.send(Buffer.from('b'))).toBe(true);
  stream.close(ended(1011));
  stream.finish('');
  expect(written()).toBe('820161' + '880203e8');
});

test('a PING after our Close gets no PONG, and data is still delivered', async () => {
  const { stream, socket, calls, written } = startStream();
  stream.close(ended(1001));
  socket.push(Buffer.concat([frame(9, 'x'), frame(2, 'late')]));
  await once(socket, 'data');
  expect(calls).toEqual(['closing 1001', 'payload late']);
  expect(written()).toBe('880203e9');
});

test.each([
  ['PINGs', frame(9)],
  ['PONGs', frame(10)],
  ['texts of one byte', frame(1, 'x')],
  ['messages in two pieces', Buffer.concat([frame(2, '', { final: false }), frame(0)])],
])('of a flood of %s one chunk is read per event-loop turn', async (_, one) => {
  // The turns are shared: an earlier test may have begun one.
  await new Promise((resolve) => setImmediate(resolve));
  const { socket } = startStream();
  const chunk = Buffer.concat(new Array<Buffer>(2000).fill(one));
  let chunks = 0;
  socket.on('data', () => chunks++);
  for (let i = 0; i < 8; i++) socket.push(chunk);
  let most = 0;
  for (let before = 0; before < 8;) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, chunks - before);
    before = chunks;
  }
  expect(most).toBe(1);
});

test('each of many PINGs gets a PONG, in order', async () => {
  const { socket, written } = startStream();
  const names = Array.from({ length: 2000 }, (_, i) => String(i % 7 === 0 ? '' : i));
  socket.push(Buffer.concat(names.map((name) => frame(9, name))));
  await once(socket, 'data');
  expect(written()).toBe(Buffer.concat(names.map((name) => frame(10, name, { mask: null }))).toString('hex'));
});

test('an empty chunk produces no frame', () => {
  const { stream, written } = startStream();
  expect(stream.send(Buffer.alloc(0))).toBe(true);
  expect(written()).toBe('');
});

test('the end is reported once, in order', async () => {
  const { stream, socket, calls } = startStream();
  socket.push(Buffer.concat([frame(2, 'x'), closeFrame(3000), frame(2, 'y')]));
  socket.push(frame(2, 'z'));
  socket.push(null);
  await once(socket, 'close');
  stream.close(ended(1000));
  stream.destroy(ended(1006));
  expect(calls).toEqual(['payload x', 'closing 3000', 'ended', 'closed 3000']);
});

test('a stream that never emits close is freed by destroy() and by closeTimeout', async () => {
  const destroyed = startStream({ emitClose: false });
  destroyed.stream.destroy(ended(1006));
  const late = startStream({ emitClose: false, closeTimeout: 0.01 });
  late.stream.close(ended(1000));
  for (const { calls, code } of [
    { ...destroyed, code: 1006 },
    { ...late, code: 1000 },
  ]) {
    await until(() => calls.length >= 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toEqual([`closing ${code}`, 'ended', `closed ${code}`]);
  }
});

test('a stream that fails without close ends with its failure as the reason', async () => {
  const { socket, calls } = startStream({ emitClose: false });
  socket.destroy(new Error('it broke'));
  await until(() => calls.length >= 3);
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toEqual(['closing 1006', 'ended', 'closed 1006']);
});

test('a socket destroyed before the start is reported as lost', () => {
  expect(startStream({ destroyed: true }).calls).toEqual(['closing 1006', 'ended', 'closed 1006']);
});

test('a chunk that another kind of stream has reported as written is not in reused memory', async () => {
  const { stream, socket } = startStream();
  const held: Buffer[] = [];
  socket._write = (chunk: Buffer, _encoding, done) => {
    held.push(chunk);
    done();
  };
  const reads = new PooledReads();
  reads.start((bytes) => stream.send(bytes, true, reads), 1024 * 1024);
  const memory = reads.onread.buffer as () => Uint8Array;
  const armed = new Set<ArrayBufferLike>();
  for (let at = 0; at < 6; at++) {
    // Each read fills the buffer to the last byte: first the small buffer, then large ones.
    const into = memory();
    armed.add(into.buffer);
    into.fill(at);
    reads.onread.callback(into.length, into);
    await new Promise((resolve) => setImmediate(resolve));
  }
  reads.end();
  expect(Buffer.concat(held).length).toBeGreaterThan(1024 * 1024);
  expect(held.filter((chunk) => armed.has(chunk.buffer))).toEqual([]);
});

test('the first end decides: frames after our Close change nothing', async () => {
  const { stream, socket, calls } = startStream();
  stream.close(ended(1001));
  stream.destroy(ended(1006));
  await once(socket, 'close');
  expect(calls).toEqual(['closing 1001', 'ended', 'closed 1001']);
});

test('a destroyed socket is lost, also if a Close comes later', async () => {
  const { stream, socket, calls } = startStream();
  socket.destroy();
  stream.close(ended(1000));
  await once(socket, 'close');
  expect(calls).toEqual(['closing 1006', 'ended', 'closed 1006']);
});

test('a chunk of another kind of stream after a Close is not freed', async () => {
  const { socket } = startStream();
  const chunk = Buffer.allocUnsafeSlow(65_536);
  socket.push(closeFrame(1000));
  await once(socket, 'data');
  const read = once(socket, 'data');
  socket.push(chunk);
  await read;
  expect(socket.readableLength).toBe(0);
  expect(chunk.length).toBe(65_536);
});

test('the Close of a client that is cut off is still read, although the backend is or was full', async () => {
  const { stream, socket, calls } = startStream();
  stream.pause();
  expect(socket.isPaused()).toBe(true);
  stream.cutOff(ended(1008));
  expect(socket.isPaused()).toBe(false);
  stream.pause();
  expect(socket.isPaused()).toBe(false);
  socket.push(frame(2, 'typed on'));
  await once(socket, 'data');
  expect(calls).toEqual(['closing 1008', 'ended']);
});

test('a client that sends PINGs and accepts no PONG is not read until it accepts one', async () => {
  const { socket, calls, take } = startStream({ held: true });
  const ping = frame(9, Buffer.alloc(125));
  socket.push(Buffer.concat(Array.from({ length: 600 }, () => ping)));
  await once(socket, 'data');
  expect(socket.isPaused()).toBe(true);
  take();
  await until(() => !socket.isPaused());
  expect(calls).toEqual(['drain']);
});

describe('the deadline after a PING', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onCleanup(() => vi.useRealTimers());
  });
  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);
  const heard = async ({ socket }: { socket: Duplex }) => {
    socket.push(frame(10));
    await pass(0);
  };

  test('is six times pongTimeout for a client that accepts none of the queued bytes', async () => {
    const { stream, socket } = startStream({ held: true, pingInterval: 10, pongTimeout: 1 });
    stream.send(Buffer.from('waits'));
    await pass(10 + 5.9);
    expect(socket.destroyed).toBe(false);
    await pass(0.2);
    expect(socket.destroyed).toBe(true);
  });

  test('does not end a client that now and then accepts some of the queued bytes', async () => {
    const { stream, socket, take } = startStream({ held: true, pingInterval: 100, pongTimeout: 1 });
    for (let at = 0; at < 40; at++) stream.send(Buffer.from('waits'));
    await pass(100);
    for (let at = 0; at < 5; at++) {
      await pass(4);
      take();
    }
    expect(socket.destroyed).toBe(false);
  });

  test('is complete for each PING', async () => {
    const started = startStream({ held: true, pingInterval: 10, pongTimeout: 1 });
    started.stream.send(Buffer.from('waits'));
    await pass(4);
    for (let at = 0; at < 3; at++) {
      await pass(10);
      await heard(started);
    }
    expect(started.socket.destroyed).toBe(false);
  });

  test('keeps an answer although the next PING is sent before the deadline', async () => {
    const started = startStream({ pingInterval: 10, pongTimeout: 15 });
    await pass(11);
    await heard(started);
    await pass(15);
    expect(started.socket.destroyed).toBe(false);
  });

  test('does not apply after our Close, where the client has closeTimeout', async () => {
    const { stream, socket } = startStream({ pingInterval: 10, pongTimeout: 5 });
    await pass(10);
    stream.close(ended(1001));
    await pass(30);
    expect(socket.destroyed).toBe(false);
    await pass(31);
    expect(socket.destroyed).toBe(true);
  });

  test('leaves no timer once the socket is freed', async () => {
    const { socket } = startStream({ pingInterval: 10, pongTimeout: 5 });
    await pass(10);
    socket.destroy();
    await once(socket, 'close');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('memory of pooled reads', () => {
  /** A client's socket that is still connecting, so that written bytes are queued; the reads send to this client. */
  async function startReads(settings: Partial<StreamSettings> = {}) {
    const received: Buffer[] = [];
    const server = createServer((other) => other.on('data', (bytes) => received.push(bytes)));
    await listen(server);
    const socket = connect(portOf(server), '127.0.0.1');
    onCleanup(() => socket.destroy());
    const nothing = () => undefined;
    const stream = new WebSocketStream(
      socket,
      {
        ...{ frameType: 'binary', pingInterval: 0, pongTimeout: 0, closeTimeout: 60, buffered: 1024 * 1024 },
        ...settings,
      },
      { payload: nothing, drain: nothing, closing: nothing, ended: nothing, closed: nothing },
    );
    stream.start(Buffer.alloc(0));
    const reads = new PooledReads();
    const state = { kept: 0, freed: 0 };
    vi.spyOn(reads, 'keep').mockImplementation(() => {
      state.kept++;
      return () => state.freed++;
    });
    onCleanup(() => vi.restoreAllMocks());
    reads.start((bytes) => stream.send(bytes, true, reads), 1024 * 1024);
    const read = (bytes: Buffer) => {
      const into = (reads.onread.buffer as () => Uint8Array)();
      into.set(bytes.subarray(0, into.length));
      reads.onread.callback(Math.min(bytes.length, into.length), into);
    };
    const readLarge = () => {
      read(Buffer.alloc(4000));
      read(Buffer.alloc(300_000));
    };
    return { socket, reads, state, read, readLarge, received };
  }

  test('is kept while it is queued, and returned afterwards', async () => {
    const { socket, state, readLarge } = await startReads();
    readLarge();
    expect(state).toEqual({ kept: 1, freed: 0 });
    await once(socket, 'connect');
    await until(() => state.freed === 1);
  });

  test('is not returned after a failed write', async () => {
    const { socket, state, readLarge } = await startReads();
    readLarge();
    let closed = false;
    socket.once('close', () => (closed = true)).destroy();
    await until(() => closed);
    expect(state).toEqual({ kept: 1, freed: 0 });
  });

  test('is not kept for a few bytes, nor after the kernel has accepted all', async () => {
    const { socket, state, read, readLarge } = await startReads();
    readLarge();
    read(Buffer.from('few'));
    expect(state.kept).toBe(1);
    await once(socket, 'connect');
    await until(() => socket.writableLength === 0);
    readLarge();
    expect(socket.writableLength).toBe(0);
    expect(state.kept).toBe(1);
  });

  test('is copied if it is the buffer into which all connections read', async () => {
    const [one, two] = [await startReads(), await startReads()];
    const texts = ['first', 'other', 'third'];
    // Neither socket is connected: the bytes stay queued while the next bytes are read.
    for (const text of texts) for (const { read } of [one, two]) read(Buffer.from(text));
    const frames = texts.map((text) => `\x82\x05${text}`).join('');
    for (const { received } of [one, two]) {
      await until(() => Buffer.concat(received).length >= frames.length);
      expect(Buffer.concat(received).toString('latin1')).toBe(frames);
    }
  });

  test('gets no header in front of a character that was assembled elsewhere', async () => {
    const { reads, read } = await startReads({ frameType: 'text' });
    const extend = vi.spyOn(reads, 'extend');
    const [whole, cut] = [Buffer.from('a€'), 2];
    // A full small buffer is followed by a read into a large one, which may get a header in front.
    read(Buffer.alloc(4000, 'a'));
    read(whole.subarray(0, cut));
    read(whole.subarray(cut));
    expect(extend.mock.calls.map(([bytes]) => bytes.length)).toEqual([4001]);
  });
});
