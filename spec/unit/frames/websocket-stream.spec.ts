import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { WebSocketStream } from '../../../src/frames/websocket-stream.js';
import { PooledReads } from '../../../src/helpers/pooled-reads.js';
import { onCleanup } from '../../support/cleanup.js';
import { closeFrame, frame } from '../../support/raw-client.js';

/** A stream that is no socket: what is written to it is kept, what it reads is pushed by the test. */
function startStream({
  head = Buffer.alloc(0),
  destroyed = false,
}: { head?: Buffer; destroyed?: boolean } = {}) {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      written.push(chunk);
      done();
    },
  });
  if (destroyed) socket.destroy();
  onCleanup(() => socket.destroy());
  const calls: string[] = [];
  const settings = {
    frameType: 'binary',
    pingInterval: 0,
    pongTimeout: 0,
    closeTimeout: 60,
    buffered: 65_536,
  } as const;
  const stream = new WebSocketStream(socket, settings, {
    payload: (bytes) => calls.push(`payload ${bytes.toString()}`),
    drain: () => calls.push('drain'),
    closing: ({ code }) => calls.push(`closing ${code}`),
    ended: () => calls.push('ended'),
    closed: ({ code }) => calls.push(`closed ${code}`),
  });
  stream.start(head);
  return { stream, socket, calls, written: () => Buffer.concat(written).toString('hex') };
}

test('chunks that may not be ours alone are not overwritten', async () => {
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

test('nothing is sent behind a Close', () => {
  const { stream, written } = startStream();
  stream.send(Buffer.from('a'));
  stream.close(1000, '');
  expect(stream.send(Buffer.from('b'))).toBe(true);
  stream.close(1011, '');
  stream.finish('');
  expect(written()).toBe('820161' + '880203e8');
});

test('a PING behind our Close gets no PONG, data is still handed on', async () => {
  const { stream, socket, calls, written } = startStream();
  stream.close(1001, '');
  socket.push(Buffer.concat([frame(9, 'x'), frame(2, 'late')]));
  await once(socket, 'data');
  expect(calls).toEqual(['closing 1001', 'payload late']);
  expect(written()).toBe('880203e9');
});

test('an empty chunk makes no frame', () => {
  const { stream, written } = startStream();
  expect(stream.send(Buffer.alloc(0))).toBe(true);
  expect(written()).toBe('');
});

test('the end is told once, in order', async () => {
  const { stream, socket, calls } = startStream();
  socket.push(Buffer.concat([frame(2, 'x'), closeFrame(3000), frame(2, 'y')]));
  socket.push(frame(2, 'z'));
  socket.push(null);
  await once(socket, 'close');
  stream.close(1000, '');
  stream.destroy(1006, '');
  expect(calls).toEqual(['payload x', 'closing 3000', 'ended', 'closed 3000']);
});

test('a socket that was gone before the start is told as lost', () => {
  expect(startStream({ destroyed: true }).calls).toEqual(['closing 1006', 'ended', 'closed 1006']);
});

test('what a stream of another kind calls written lies in no memory that is read into again', async () => {
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
    // To the last byte, each time: small first, then large.
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
