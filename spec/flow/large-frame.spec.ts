import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { frame, handshake } from '../support/raw-client.js';
import { startBackend } from '../support/servers.js';
import { until } from '../support/wait.js';

const MIB = 1024 * 1024;
const SIZE = 256 * MIB;
// The process warms up first, so that its code and heap are not counted as memory of a frame.
const WARM = 8 * MIB;
// Uncollected chunks add up to 40 MiB, an assembled message to 256 MiB.
const GROWTH = 24 * MIB;

// The length is not a multiple of 65536, so that chunk and block borders differ.
const BLOCK = Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * 31) ^ (i >> 7)));
const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

interface Memory {
  readonly now: number;
  readonly peak: number;
}

/** The tunnel in another process. */
async function startChild(backendPort: number) {
  const child = fork(new URL('large-frame-server.mjs', import.meta.url), [String(backendPort)]);
  onCleanup(() => child.kill());
  const { port } = await message<{ port: number }>(child);
  const memory = () => {
    child.send('memory');
    return message<Memory>(child);
  };
  return { port, memory };
}

async function message<T>(child: ChildProcess): Promise<T> {
  return ((await once(child, 'message')) as [T])[0];
}

async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  onCleanup(() => socket.destroy());
  socket.write(handshake('/tunnel'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\n$/s);
  return socket;
}

/** Writes `size` bytes as fast as the socket accepts them, and returns the hash of the bytes. */
async function pump(socket: Socket, size: number, block: Buffer, plain: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let left = size; left > 0; left -= block.length) {
    hash.update(plain.subarray(0, left));
    if (!socket.write(block.subarray(0, left))) await once(socket, 'drain');
  }
  return hash.digest('hex');
}

/** Counts all bytes and hashes the bytes after the first WARM. */
function sink() {
  const hash = createHash('sha256');
  let length = 0;
  return {
    push: (chunk: Buffer) => {
      hash.update(chunk.subarray(Math.max(0, WARM - length)));
      length += chunk.length;
    },
    warm: () => length >= WARM,
    full: () => length >= WARM + SIZE,
    digest: () => hash.digest('hex'),
  };
}

test('one frame of 256 MiB passes to the backend in bounded memory', { timeout: 60_000 }, async () => {
  const received = sink();
  const backend = await startBackend((socket) => socket.removeAllListeners('data').on('data', received.push));
  const { port, memory } = await startChild(backend.port);
  const socket = await openSocket(port);
  const masked = BLOCK.map((byte, i) => byte ^ MASK[i % 4]!) as Buffer;
  socket.write(frame(2, '', { length: WARM, mask: MASK }));
  await pump(socket, WARM, masked, BLOCK);
  await until(received.warm);
  const { now: before } = await memory();
  socket.write(frame(2, '', { length: SIZE, mask: MASK }));
  const sent = await pump(socket, SIZE, masked, BLOCK);
  await until(received.full);
  const { peak } = await memory();
  expect(received.digest()).toBe(sent);
  expect(peak - before).toBeLessThan(GROWTH);
});

test('256 MiB pass to the client in bounded memory', { timeout: 60_000 }, async () => {
  const backend = await startBackend();
  const { port, memory } = await startChild(backend.port);
  const connected = backend.connection();
  const socket = await openSocket(port);
  const received = sink();
  socket.on('data', unframe(received.push));
  await pump(await connected, WARM, BLOCK, BLOCK);
  await until(received.warm);
  const { now: before } = await memory();
  const sent = await pump(await connected, SIZE, BLOCK, BLOCK);
  await until(received.full);
  const { peak } = await memory();
  expect(received.digest()).toBe(sent);
  expect(peak - before).toBeLessThan(GROWTH);
});

/** The payloads of a server's binary frames. */
function unframe(push: (payload: Buffer) => void): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let remaining = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (remaining > 0) {
        const payload = chunk.subarray(at, at + remaining);
        push(payload);
        at += payload.length;
        remaining -= payload.length;
        continue;
      }
      header = Buffer.concat([header, chunk.subarray(at, ++at)]);
      const short = header[1] ?? 0;
      const size = 2 + (short === 127 ? 8 : short === 126 ? 2 : 0);
      if (header.length < 2 || header.length < size) continue;
      expect(header[0]).toBe(0x82);
      remaining =
        short === 127 ? Number(header.readBigUInt64BE(2)) : short === 126 ? header.readUInt16BE(2) : short;
      header = Buffer.alloc(0);
    }
  };
}
