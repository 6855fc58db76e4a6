import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { maskedFrame } from '../../../src/frames/encoder.js';
import { nextMaskKey } from '../../../src/frames/mask-keys.js';
import { WebSocketStream } from '../../../src/frames/websocket-stream.js';
import { endingOf } from '../../../src/streams/close-causes.js';
import { onCleanup } from '../../support/cleanup.js';
import { decodeAll, decodeFrom } from '../../support/decoding.js';
import { frame } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';

const plain = (opcode: number, payload: Uint8Array | string = '', final = true) =>
  frame(opcode, payload, { final, mask: null });

/** A stream in the client's role; the test pushes the server's bytes. */
function startClient(closeTimeout = 60) {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      written.push(chunk);
      done();
    },
  });
  onCleanup(() => socket.destroy());
  const calls: string[] = [];
  const stream = new WebSocketStream(
    socket,
    {
      ...{ role: 'client', frameType: 'binary', pingInterval: 0, pongTimeout: 0, buffered: 65_536 },
      closeTimeout,
    },
    {
      payload: (bytes) => calls.push(`payload ${bytes.toString()}`),
      drain: () => undefined,
      closing: ({ code }) => calls.push(`closing ${code}`),
      ended: () => calls.push('ended'),
      closed: ({ code, reason }) => calls.push(`closed ${code} ${reason}`),
    },
  );
  stream.start(Buffer.alloc(0));
  return { stream, socket, calls, sent: () => decodeAll(...written), written };
}

describe('the decoder as client', () => {
  test('refuses a masked frame of a server before its payload', () => {
    for (const masked of [frame(2, 'x'), frame(9), frame(1, Buffer.alloc(200))]) {
      const { failure, payload } = decodeFrom('server', [plain(2, 'good'), masked]);
      expect(failure).toEqual({
        cause: 'protocol-error',
        code: 1002,
        reason: 'server frames must not be masked',
      });
      expect(payload.toString()).toBe('good');
    }
  });

  test('passes fragments of text as bytes', () => {
    const cut = Buffer.from('€');
    const parts = [plain(1, cut.subarray(0, 1), false), plain(9, 'p'), plain(0, cut.subarray(1), true)];
    expect(decodeFrom('server', parts).payload).toEqual(cut);
  });
});

describe('masking as client', () => {
  test('uses a new key for each frame and leaves the payload unchanged', () => {
    const payload = Buffer.alloc(5000, 'payload');
    const before = Buffer.from(payload);
    const frames = Array.from({ length: 3000 }, () => maskedFrame(2, payload));
    expect(payload.equals(before)).toBe(true);
    const keys = new Set(frames.map((one) => one.readUInt32LE(4)));
    expect(keys.size).toBeGreaterThan(2990);
    expect(decodeAll(...frames.slice(0, 2)).payload.equals(Buffer.concat([payload, payload]))).toBe(true);
  });

  test('uses keys that look random', () => {
    let ones = 0;
    for (let i = 0; i < 4096; i++)
      for (let key = nextMaskKey() >>> 0; key > 0; key = Math.floor(key / 2)) ones += key & 1;
    // Half of 131 072 bits should be ones; the standard deviation is 181.
    expect(Math.abs(ones - 65_536)).toBeLessThan(181 * 8);
  });
});

describe('the stream as client', () => {
  test('sends data, PONG and Close masked', async () => {
    const { stream, socket, sent } = startClient();
    const bytes = Buffer.from('hello');
    stream.send(bytes, true);
    socket.push(plain(9, 'you there?'));
    await until(() => sent().events.length > 0);
    stream.close(endingOf('drain', 'bye'));
    expect(bytes.toString()).toBe('hello');
    expect(sent()).toMatchObject({
      payload: bytes,
      failure: undefined,
      events: ['pong', 'close 1001 bye'],
    });
  });

  test('lets the server end the connection (RFC 6455 section 7.1.1)', async () => {
    const { socket, sent, calls } = startClient();
    socket.push(Buffer.concat([plain(2, 'last'), plain(8, Buffer.from([3, 232]))]));
    await until(() => sent().done);
    expect(sent().events).toEqual(['close 1000 ']);
    expect(socket.writableEnded).toBe(false);
    socket.push(null);
    await once(socket, 'close');
    expect(calls).toEqual(['payload last', 'closing 1000', 'ended', 'closed 1000 ']);
  });

  test('waits at most closeTimeout for the server to end the connection', async () => {
    const { socket, calls } = startClient(0.02);
    socket.push(plain(8, Buffer.from([3, 232])));
    await once(socket, 'close');
    expect(calls).toEqual(['closing 1000', 'ended', 'closed 1000 ']);
  });

  test('ends the connection at once after an invalid frame', async () => {
    const { socket, sent, calls } = startClient();
    socket.push(frame(2, 'masked'));
    await until(() => socket.writableEnded);
    expect(sent().events).toEqual(['close 1002 server frames must not be masked']);
    socket.push(null);
    await once(socket, 'close');
    expect(calls.at(-1)).toBe('closed 1002 server frames must not be masked');
  });
});
