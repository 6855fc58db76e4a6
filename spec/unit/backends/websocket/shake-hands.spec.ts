import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { dial } from '../../../../src/backends/dial.js';
import { UnusableAnswer } from '../../../../src/backends/websocket/answer.js';
import { ownHandshake } from '../../../../src/backends/websocket/request-headers.js';
import { shakeHands } from '../../../../src/backends/websocket/shake-hands.js';
import { TunnelError } from '../../../../src/index.js';
import { readHosts } from '../../../../src/options/read-hosts.js';
import { PooledReads } from '../../../../src/streams/pooled-reads.js';
import { certificate } from '../../../support/certificate.js';
import { onCleanup } from '../../../support/cleanup.js';
import { describeWith } from '../../../support/programs.js';
import { sleep, until } from '../../../support/wait.js';
import { accepting, startByHand } from '../../../support/websocket-server.js';

const never = new AbortController().signal;
const handshake = () => ownHandshake(readHosts({ url: 'ws://desk/x' }, 'server')[0]!.websocket!);

/** A socket as the tunnel has it: with pooled reads, paused. */
async function dialled(port: number): Promise<Duplex> {
  const socket = await dial(readHosts({ port }, 'server')[0]!, never);
  onCleanup(() => socket.destroy());
  return socket;
}

/** All bytes of a socket from now on, by pooled reads if the socket has them. */
function bytesOf(socket: Duplex): () => Buffer {
  const parts: Buffer[] = [];
  const reads = PooledReads.of(socket);
  if (reads) reads.start((bytes) => parts.push(Buffer.from(bytes)), 65_536);
  else socket.on('data', (bytes: Buffer) => parts.push(bytes));
  socket.resume();
  return () => Buffer.concat(parts);
}

/** Bytes in which every position can be recognised. */
function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32BE(i, i);
  return bytes;
}

const listeners = (socket: Duplex) =>
  Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));

describe('the bytes after the 101 response', () => {
  test.each([0, 1, 3_000, 4_000, 5_000, 70_000, 2_000_000])('are kept: %i in one write', async (length) => {
    const sent = numbered(length);
    const { port } = await startByHand((peer, head) => peer.send(accepting(head), sent));
    const socket = await dialled(port);
    const before = listeners(socket);
    const { head } = await shakeHands(socket, handshake(), true, never);
    expect(socket.isPaused()).toBe(true);
    expect(listeners(socket)).toEqual(before);
    await sleep(20);
    const rest = bytesOf(socket);
    await until(() => head.length + rest().length >= length);
    expect(Buffer.concat([head, rest()]).equals(sent)).toBe(true);
  });

  test('are kept if the response arrives byte by byte', async () => {
    const { port } = await startByHand(async (peer, head) => {
      peer.socket.setNoDelay(true);
      for (const byte of `${accepting(head)}frames`) {
        peer.send(byte);
        await new Promise(setImmediate);
      }
    });
    const socket = await dialled(port);
    const { head } = await shakeHands(socket, handshake(), true, never);
    const rest = bytesOf(socket);
    await until(() => head.length + rest().length === 6);
    expect(`${head.toString()}${rest().toString()}`).toBe('frames');
  });

  test('are kept with an end directly after them', async () => {
    const { port } = await startByHand((peer, head) => peer.socket.end(`${accepting(head)}last`));
    const socket = await dialled(port);
    const { head } = await shakeHands(socket, handshake(), true, never);
    const rest = bytesOf(socket);
    await once(socket, 'end');
    expect(`${head.toString()}${rest().toString()}`).toBe('last');
    expect(socket.writable).toBe(true);
  });
});

describeWith('openssl')('over TLS', () => {
  test('the bytes after the 101 response are kept', async () => {
    const tls = certificate();
    const sent = numbered(300_000);
    const { port } = await startByHand((peer, head) => peer.send(accepting(head), sent), { tls });
    const socket = connectTls({ port, host: '127.0.0.1', ca: tls.cert });
    onCleanup(() => socket.destroy());
    await once(socket, 'secureConnect');
    const { head } = await shakeHands(socket.pause(), handshake(), true, never);
    await sleep(20);
    const rest = bytesOf(socket);
    await until(() => head.length + rest().length >= sent.length);
    expect(Buffer.concat([head, rest()]).equals(sent)).toBe(true);
  });
});

describe('a failure', () => {
  test('of the signal rejects with its reason, and destroys the socket', async () => {
    const { port } = await startByHand(() => undefined);
    const socket = await dialled(port);
    const controller = new AbortController();
    const reason = new Error('enough');
    const outcome = shakeHands(socket, handshake(), true, controller.signal);
    await sleep(10);
    controller.abort(reason);
    await expect(outcome).rejects.toBe(reason);
    expect(socket.destroyed).toBe(true);
    const late = await dialled(port);
    await expect(shakeHands(late, handshake(), true, controller.signal)).rejects.toBe(reason);
    expect(late.destroyed).toBe(true);
  });

  test('by a lost connection keeps the code of the error, which decides on an outage', async () => {
    const { port } = await startByHand((peer) => peer.socket.resetAndDestroy());
    const error = await shakeHands(await dialled(port), handshake(), true, never).catch(
      (one: unknown) => one,
    );
    expect(error).toBeInstanceOf(TunnelError);
    expect(error).toMatchObject({ code: 'WSTUNNEL_BACKEND_REFUSED', cause: { code: 'ECONNRESET' } });
  });

  test('of a socket that is destroyed already rejects', async () => {
    const { port } = await startByHand(() => undefined);
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
    await once(socket, 'close');
    await expect(shakeHands(socket, handshake(), true, never)).rejects.toBeInstanceOf(TunnelError);
  });

  test('by a redirect names the target without the values of its query', async () => {
    const { port } = await startByHand((peer) =>
      peer.send('HTTP/1.1 302 Found\r\nLocation: https://login/?ticket=secret\r\n\r\n'),
    );
    const error = await shakeHands(await dialled(port), handshake(), true, never).catch(
      (one: unknown) => one,
    );
    const { cause } = error as { cause: UnusableAnswer };
    expect(cause).toBeInstanceOf(UnusableAnswer);
    expect(cause.isFinal).toBe(true);
    expect(cause.message).toMatch(/it answered 302 Found, a redirect to https:\/\/login\/\?ticket=\*\*\*$/);
  });
});
