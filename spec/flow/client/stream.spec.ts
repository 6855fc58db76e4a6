import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type ClientStream, type ConnectOptions } from '../../../src/client/index.js';
import { descriptors, watchComplaints, watchTimers } from '../../support/leftovers.js';
import type { RawClient } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { deferred, sleep, until } from '../../support/wait.js';
import {
  accepting,
  failed,
  plain,
  plainClose,
  setProxyEnvironment,
  startByHand,
} from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

/** An open tunnel whose server side the test controls. */
async function openByHand(
  options: ConnectOptions = {},
): Promise<{ stream: ClientStream; server: RawClient }> {
  const peer = deferred<RawClient>();
  const { url } = await startByHand((client, head) => peer.resolve(client.send(accepting(head))));
  const stream = connect(url, { pingInterval: 0, ...options });
  const server = await peer.promise;
  await once(stream, 'connect');
  return { stream, server };
}

/** All bytes up to the end; rejects when the stream fails. */
async function rest(stream: Duplex): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of stream) parts.push(chunk as Buffer);
  return Buffer.concat(parts).toString();
}

const closed = (stream: Duplex) =>
  stream.closed ? Promise.resolve() : new Promise<void>((resolve) => stream.once('close', resolve));

describe('bytes from the server', () => {
  test('arrive bare from messages of any kind, however fragmented and split', async () => {
    const { stream, server } = await openByHand();
    const all = Buffer.concat([
      plain(1, 'grü', false),
      plain(9, 'ping'),
      plain(0, 'ße, ', true),
      plain(2, ''),
      plain(2, 'b'.repeat(70_000)),
      plain(10, 'unasked'),
      plainClose(1000, 'bye'),
    ]);
    server.socket.setNoDelay(true);
    for (let at = 0; at < all.length; at += at < 50 ? 1 : 20_000) {
      server.send(all.subarray(at, at + (at < 50 ? 1 : 20_000)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await rest(stream)).toBe(`grüße, ${'b'.repeat(70_000)}`);
    expect(await server.frame()).toMatchObject({ opcode: 10, payload: Buffer.from('ping') });
    expect(await server.close()).toEqual({ code: 1000, reason: '' });
    server.socket.end();
    await closed(stream);
    expect(stream).toMatchObject({ closeCode: 1000, closeReason: 'bye', bytesRead: 70_009 });
  });

  test('a Close without a code ends the stream', async () => {
    const { stream, server } = await openByHand();
    server.send(plain(2, 'x'), plainClose());
    expect(await rest(stream)).toBe('x');
    server.socket.end();
    await closed(stream);
    expect(stream.closeCode).toBe(1005);
  });

  test.each([
    [1011, 'the backend failed'],
    [1001, ''],
    [4502, 'the backend could not be reached'],
  ])('Close %i is a failure, after all bytes received before', async (code, reason) => {
    const { stream, server } = await openByHand();
    const bytes = 'x'.repeat(1000);
    server.send(plain(2, bytes), plainClose(code, reason));
    server.socket.end();
    // All bytes have arrived before the first read.
    await until(() => stream.closeCode !== undefined);
    expect(stream.destroyed).toBe(false);
    let got = '';
    const error = failed(stream);
    stream.on('data', (chunk: Buffer) => (got += chunk.toString()));
    expect(await error).toMatchObject({ code: 'WSTUNNEL_CLOSED', closeCode: code, reason });
    expect(got).toBe(bytes);
    await closed(stream);
  });

  test('Close 1011 is a failure also for paused reads and iteration', async () => {
    const { stream, server } = await openByHand();
    server.send(plain(2, 'by hand'), plainClose(1011));
    await until(() => stream.closeCode === 1011);
    await once(stream, 'readable');
    expect(String(stream.read(3))).toBe('by ');
    expect(String(stream.read())).toBe('hand');
    expect(await failed(stream)).toMatchObject({ closeCode: 1011 });
    const { stream: other, server: its } = await openByHand();
    its.send(plain(2, 'iterated'), plainClose(1011));
    let got = '';
    const all = (async () => {
      for await (const chunk of other) got += String(chunk);
    })();
    await expect(all).rejects.toMatchObject({ closeCode: 1011 });
    expect(got).toBe('iterated');
  });

  test('a connection that ends without a Close is a failure', async () => {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const { stream, server } = await openByHand();
      const error = failed(stream);
      server.socket[end]();
      expect(await error).toMatchObject({ code: 'WSTUNNEL_CLOSED', closeCode: 1006 });
      await closed(stream);
    }
  });

  test('a server that violates the protocol gets a Close with the reason', async () => {
    const { stream, server } = await openByHand();
    const error = failed(stream);
    server.send(Buffer.from([0x82, 0x81, 1, 2, 3, 4, 5]));
    expect(await server.close()).toEqual({ code: 1002, reason: 'server frames must not be masked' });
    expect(await error).toMatchObject({ closeCode: 1002, reason: 'server frames must not be masked' });
    await server.ended();
  });

  test('a stream that is not read pauses the server', async () => {
    const { stream, server } = await openByHand();
    const block = plain(2, Buffer.alloc(65_000));
    const pump = () => {
      while (!server.socket.destroyed && server.socket.write(block));
    };
    server.socket.on('drain', pump);
    pump();
    await once(stream, 'readable');
    let last = -1;
    await until(async () => {
      const same = last === server.socket.bytesWritten - server.socket.writableLength;
      last = server.socket.bytesWritten - server.socket.writableLength;
      await sleep(30);
      return same;
    });
    expect(stream.readableLength).toBeLessThanOrEqual(128 * 1024);
    const before = stream.bytesRead;
    expect(before).toBeLessThan(256 * 1024);
    stream.resume();
    await until(() => stream.bytesRead > before + 1024 * 1024);
    stream.destroy();
  });
});

describe('bytes to the server', () => {
  test('written before the connection opens are queued, and sent in masked frames', async () => {
    const peer = deferred<RawClient>();
    const { url } = await startByHand((client, head) => peer.resolve(client.send(accepting(head))));
    const stream = connect(url);
    expect(stream.connecting).toBe(true);
    stream.write('one ');
    stream.write('two');
    stream.end();
    const server = await peer.promise;
    expect((await server.payload(7)).toString()).toBe('one two');
    expect(await server.close()).toEqual({ code: 1000, reason: '' });
    server.send(plain(2, 'late'), plainClose(1000));
    expect(await rest(stream)).toBe('late');
    expect(stream.bytesWritten).toBe(7);
    server.socket.end();
    await closed(stream);
  });

  test("leave the caller's buffer unchanged, and large buffers go in frames of 64 KiB", async () => {
    const { stream, server } = await openByHand();
    const bytes = Buffer.alloc(150_000, 'caller');
    const before = Buffer.from(bytes);
    stream.write(bytes);
    const sizes: number[] = [];
    const got: Buffer[] = [];
    while (Buffer.concat(got).length < bytes.length) {
      const frame = await server.frame();
      if (!frame) break;
      expect(frame).toMatchObject({ opcode: 2, final: true });
      sizes.push(frame.payload.length);
      got.push(frame.payload);
    }
    expect(Buffer.concat(got).equals(before)).toBe(true);
    expect(bytes.equals(before)).toBe(true);
    expect(sizes).toEqual([65_536, 65_536, 18_928]);
    stream.destroy();
  });

  test('a server that does not read pauses the writer', async () => {
    const { stream, server } = await openByHand({ buffered: 65_536 });
    server.socket.pause();
    let written = 0;
    await until(async () => {
      if (stream.writableNeedDrain) {
        await sleep(50);
        return stream.writableNeedDrain;
      }
      stream.write(Buffer.alloc(65_536));
      written += 65_536;
      return false;
    });
    const sent = stream.bytesWritten;
    expect(written - sent).toBeLessThanOrEqual(2 * 65_536);
    server.socket.resume();
    await once(stream, 'drain');
    expect(stream.writableLength).toBe(0);
    stream.destroy();
  });

  test("written after the server's Close are dropped", async () => {
    const complaints = watchComplaints();
    const { stream, server } = await openByHand();
    server.send(plainClose(1000));
    await until(() => stream.closeCode === 1000);
    for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(10_000));
    expect(await rest(stream)).toBe('');
    server.socket.end();
    await closed(stream);
    expect(complaints).toEqual([]);
  });
});

describe('the end of a client stream', () => {
  test('destroy() closes the connection at once', async () => {
    const { stream, server } = await openByHand();
    stream.destroy();
    await closed(stream);
    await server.ended();
    expect(await server.close()).toBeUndefined();
  });

  test('destroy() works before the connection opens and right after', async () => {
    const complaints = watchComplaints();
    const { url, sockets } = await startByHand((peer, head) => peer.send(accepting(head)));
    const early = connect(url);
    early.destroy();
    await closed(early);
    const first = connect(url);
    first.on('connect', () => first.destroy());
    await closed(first);
    await until(() => sockets.every((socket) => socket.readableEnded || socket.destroyed));
    expect(complaints).toEqual([]);
  });

  test('an abort destroys the open tunnel', async () => {
    const controller = new AbortController();
    const { stream, server } = await openByHand({ signal: controller.signal });
    const error = failed(stream);
    controller.abort();
    expect(await error).toMatchObject({ name: 'AbortError' });
    await server.ended();
  });

  test('a server that does not finish is awaited no longer than closeTimeout', async () => {
    const timers = watchTimers();
    const { stream, server } = await openByHand({ closeTimeout: 0.05 });
    stream.resume().end();
    await closed(stream);
    expect(stream.closeCode).toBe(1000);
    await server.ended();
    await until(() => timers() === 0);
  });

  test('bytes written before a Close that is never answered may be lost, which is an error', async () => {
    const timers = watchTimers();
    const { stream, server } = await openByHand({ closeTimeout: 0.05 });
    const error = failed(stream);
    stream.resume().end('x');
    expect(await error).toMatchObject({
      code: 'WSTUNNEL_CLOSED',
      closeCode: 1006,
      reason: 'the server did not answer the Close within closeTimeout',
    });
    await closed(stream);
    expect(stream.closeCode).toBe(1000);
    await server.ended();
    await until(() => timers() === 0);
  });

  test('bytes not read within closeTimeout are missing, so the end is not orderly', async () => {
    const { stream, server } = await openByHand({ closeTimeout: 0.05 });
    const chunk = plain(2, Buffer.alloc(60_000));
    for (let sent = 0; sent < 50; sent++) server.send(chunk);
    const error = failed(stream);
    stream.end();
    expect(await error).toMatchObject({
      code: 'WSTUNNEL_CLOSED',
      closeCode: 1006,
      reason: 'what the server sent was not read within closeTimeout',
    });
  });

  test('a server that is silent after a PING is cut off', async () => {
    const { stream, server } = await openByHand({ pingInterval: 0.02, pongTimeout: 0.05 });
    const error = failed(stream);
    expect(await server.frame()).toMatchObject({ opcode: 9 });
    expect(await error).toMatchObject({ closeCode: 1006 });
    expect((await error).message).toMatch(/the server was silent for 0\.05 s after a PING$/);
    await server.ended();
  });

  test('a server that answers PINGs is kept', async () => {
    const { stream, server } = await openByHand({ pingInterval: 0.01, pongTimeout: 0.2 });
    for (let i = 0; i < 30; i++) {
      expect(await server.frame()).toMatchObject({ opcode: 9 });
      server.send(plain(10));
    }
    stream.destroy();
  });
});

describe('a client stream to a tunnel of ours', () => {
  test('carries bytes both ways and frees everything', async () => {
    const { url, tunnel } = await startTunnel();
    const before = descriptors();
    const timers = watchTimers();
    const bytes = Buffer.alloc(3_000_000, 'there and back');
    const stream = connect(url);
    let got = Buffer.alloc(0);
    await Promise.all([
      (async () => {
        for await (const chunk of stream) {
          got = Buffer.concat([got, chunk as Buffer]);
          if (got.length === bytes.length) stream.end();
        }
      })(),
      pipeline([bytes], stream, { end: false }),
    ]);
    expect(got.equals(bytes)).toBe(true);
    await closed(stream);
    await until(() => tunnel.stats().open === 0 && descriptors() <= before && timers() === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });
});
