import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { closeOf, openFrames, startWs } from '../../support/frame-tunnel.js';
import { closeFrame, frame, handshake, RawClient, type RawFrame } from '../../support/raw-client.js';
import { Random } from '../../support/random.js';
import { startTunnel } from '../../support/servers.js';
import { deferred, sleep, until } from '../../support/wait.js';
import { accepting, plain, startByHand } from '../../support/websocket-server.js';

/** Echoes each message, and keeps whether it was text or binary. */
const echo = (socket: WebSocket) =>
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));

/** Resolves to the next `count` messages. */
async function messages(socket: WebSocket, count: number): Promise<(string | Buffer)[]> {
  const all: (string | Buffer)[] = [];
  return new Promise((resolve, reject) => {
    socket.on('close', (code) => reject(new Error(`closed ${code} after ${all.length} messages`)));
    socket.on('message', (data: Buffer, isBinary) => {
      all.push(isBinary ? data : data.toString());
      if (all.length === count) resolve(all);
    });
  });
}

/** A short text instead of megabytes. */
const fingerprint = (message: string | Buffer) =>
  `${typeof message} ${message.length} ${createHash('sha256').update(message).digest('hex')}`;

describe('messages between a client and a server of ws', () => {
  test.each([
    ['plain', false],
    ['with permessage-deflate', true],
  ])('pass with type and boundaries, %s', async (_, deflate) => {
    const perMessageDeflate = deflate && { threshold: 0 };
    const { tunnel, open } = await startWs(echo, { server: { perMessageDeflate } });
    const socket = await open([], { perMessageDeflate });
    expect(socket.extensions).toBe(deflate ? 'permessage-deflate' : '');
    const sent = ['', 'text €', Buffer.alloc(0), Buffer.from('binary'), 'x'.repeat(125), randomBytes(126)];
    sent.push(randomBytes(65_535), 'y'.repeat(65_536), randomBytes(1_000_000), 'z'.repeat(3_000_000));
    const back = messages(socket, sent.length);
    for (const message of sent) socket.send(message);
    expect((await back).map(fingerprint)).toEqual(sent.map(fingerprint));
    socket.close(4000, 'done');
    expect(await closeOf(socket)).toEqual([4000, 'done']);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 4000: 1 });
  });

  test('fragments pass, with PINGs between them that the backend answers', async () => {
    const { open } = await startWs(echo);
    const socket = await open();
    const pong = once(socket, 'pong');
    const back = messages(socket, 1);
    socket.send('one ', { fin: false });
    socket.ping('mine');
    socket.send('message', { fin: true });
    expect(((await pong) as [Buffer])[0].toString()).toBe('mine');
    expect(await back).toEqual(['one message']);
  });

  test('10,000 tiny messages pass each way', async () => {
    const { open, tunnel } = await startWs(echo);
    const socket = await open();
    const back = messages(socket, 10_000);
    for (let number = 0; number < 10_000; number++) socket.send(String(number));
    expect(await back).toEqual(Array.from({ length: 10_000 }, (_, number) => String(number)));
    socket.close(1000);
    await until(() => tunnel.stats().open === 0);
    const bytes = 10 + 90 * 2 + 900 * 3 + 9000 * 4;
    expect(tunnel.stats()).toMatchObject({ bytesIn: bytes, bytesOut: bytes, closed: { 1000: 1 } });
  });

  test.each(['client', 'backend'])('20 MB arrive unchanged at a %s that reads slowly', async (slow) => {
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let length = 0;
    const take = (socket: WebSocket) => {
      socket.on('message', (data: Buffer) => {
        received.update(data);
        length += data.length;
        if (length % 7 !== 0) return;
        socket.pause();
        setTimeout(() => socket.resume(), 20);
      });
    };
    const give = async (socket: WebSocket) => {
      const random = new Random(7);
      for (let left = 20_000_000; left > 0;) {
        const bytes = random.bytes(Math.min(left, random.between(1, 200_000)));
        left -= bytes.length;
        sent.update(bytes);
        await new Promise((resolve) => socket.send(bytes, resolve));
      }
      socket.close(1000);
    };
    const { open, tunnel } = await startWs(slow === 'client' ? (socket) => void give(socket) : take, {
      options: { limits: { buffered: 65_536 } },
    });
    const socket = await open();
    if (slow === 'client') take(socket);
    else void give(socket);
    await until(() => tunnel.stats().open === 0);
    await until(() => length === 20_000_000);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
    const { bytesIn, bytesOut } = tunnel.stats();
    expect([bytesIn, bytesOut].sort()).toEqual([0, 20_000_000]);
  });
});

describe('large frames', () => {
  test.each(['up', 'down'])('100 MB in one frame pass %s, with bounded memory', async (direction) => {
    const length = 100_000_000;
    const { tunnel, client, backend } = await openFrames({
      options: { limits: { buffered: 262_144 } },
    });
    const [from, to] = direction === 'up' ? [client, backend] : [backend, client];
    const hashes = [createHash('sha256'), createHash('sha256')] as const;
    let received = 0;
    let most = 0;
    to.socket.removeAllListeners('data');
    to.socket.on('data', (chunk) => {
      hashes[1].update(chunk);
      received += chunk.length;
    });
    const header = frame(2, '', { length, mask: direction === 'up' ? Buffer.alloc(4, 'key!') : null });
    hashes[0].update(header);
    from.socket.write(header);
    const chunk = randomBytes(1_000_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let left = length; left > 0; left -= chunk.length) {
      hashes[0].update(chunk);
      await new Promise((resolve) => from.socket.write(chunk, resolve));
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    await until(() => received === header.length + length);
    expect(hashes[1].digest('hex')).toBe(hashes[0].digest('hex'));
    expect(most).toBeLessThan(70_000_000);
    const [info] = tunnel.tunnels();
    expect(direction === 'up' ? info?.bytesIn : info?.bytesOut).toBe(length);
  });
});

describe("the tunnel's own PINGs", () => {
  const pings = { options: { pingInterval: 0.05, pongTimeout: 30 } };

  test('reach the client alone, and their PONGs do not reach the backend', async () => {
    const { client, backend } = await openFrames(pings);
    for (let round = 0; round < 3; round++) {
      const ping = await client.frame();
      expect(ping).toMatchObject({ opcode: 9 });
      const pong = frame(10, ping!.payload);
      // Split, and between other frames.
      client.send(frame(2, 'a'), pong.subarray(0, 7));
      await sleep(10);
      client.send(pong.subarray(7), frame(10, 'own'), frame(2, 'b'));
    }
    const seen: RawFrame[] = [];
    for (let count = 0; count < 9; count++) seen.push((await backend.frame())!);
    expect(seen.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`)).toEqual(
      Array.from({ length: 3 }, () => ['2 a', '10 own', '2 b']).flat(),
    );
  });

  test('go between two frames, also where no chunk ends at a boundary', async () => {
    const { client, backend } = await openFrames(pings);
    const bytes = plain(2, Buffer.alloc(1000, 'x'));
    let isOver = false;
    const send = async () => {
      backend.send(bytes.subarray(0, 500));
      while (!isOver) {
        await sleep(5);
        // Always from the middle of a frame to the middle of the next one.
        backend.send(bytes.subarray(500), bytes.subarray(0, 500));
      }
    };
    const sending = send();
    let count = 0;
    for (let seen = 0; seen < 4;) {
      const next = await client.frame();
      if (next?.opcode === 9) seen++;
      else expect(next).toMatchObject({ opcode: 2, payload: bytes.subarray(4) });
      count++;
    }
    expect(count).toBeGreaterThan(4);
    isOver = true;
    await sending;
  });

  test('are sent after the end of a frame, and the delay does not count as silence of the client', async () => {
    const { client, backend, tunnel, over } = await openFrames({
      options: { pingInterval: 0.2, pongTimeout: 0.1 },
    });
    const bytes = plain(2, Buffer.alloc(1000, 'x'));
    const ping = await client.frame();
    client.send(frame(10, ping!.payload));
    backend.send(bytes.subarray(0, 500));
    expect((await client.take(500)).equals(bytes.subarray(0, 500))).toBe(true);
    await sleep(600);
    expect(tunnel.stats().open).toBe(1);
    backend.send(bytes.subarray(500));
    await client.take(bytes.length - 500);
    expect((await client.frame())?.opcode).toBe(9);
    // No PONG now.
    expect(await backend.close()).toMatchObject({ code: 1001 });
    backend.socket.end();
    expect(await over()).toMatchObject({ cause: 'client-silent', code: 1006 });
  });

  test('find a client that accepts nothing within a frame of the backend', async () => {
    const { client, backend, over } = await openFrames({
      options: { pingInterval: 0.05, pongTimeout: 0.1, closeTimeout: 0.2, limits: { buffered: 65_536 } },
    });
    client.socket.pause();
    backend.send(frame(2, '', { length: 100_000_000, mask: null }), Buffer.alloc(12_000_000));
    expect(await over()).toMatchObject({ cause: 'client-silent', code: 1006 });
  });

  test('are not mistaken for PINGs of a backend with the same size', async () => {
    const { client, backend } = await openFrames();
    backend.send(plain(9, '12345678'));
    expect((await client.frame())?.payload.toString()).toBe('12345678');
    client.send(frame(10, '12345678'), closeFrame(1000));
    expect(await backend.frame()).toMatchObject({ opcode: 10 });
    expect(await backend.frame()).toMatchObject({ opcode: 8 });
  });
});

describe('limits in time', () => {
  test('idleTimeout counts payload, and no PINGs', async () => {
    const { client, backend, tunnel } = await openFrames({
      options: { idleTimeout: 0.4, closeTimeout: 0.2 },
    });
    const pinging = setInterval(() => backend.send(plain(9)), 20);
    client.send(frame(2, 'x'));
    expect(await client.close()).toMatchObject({ code: 1001 });
    clearInterval(pinging);
    await until(() => tunnel.stats().open === 0);
  });

  test.each([
    ['readTimeout', { readTimeout: 0.2 }, 1011],
    ['maxDuration', {}, 1001],
  ] as const)('%s sends a Close', async (name, host, code) => {
    const { client, backend, over } = await openFrames({
      host,
      options: { ...(name === 'maxDuration' && { maxDuration: 0.2 }), closeTimeout: 0.2 },
    });
    expect(await client.close()).toMatchObject({ code });
    expect(await backend.close()).toMatchObject({ code: 1001 });
    expect(await over()).toMatchObject({ code });
  });

  test('writeTimeout ends a tunnel whose backend accepts nothing', async () => {
    const { client, backend, over } = await openFrames({
      host: { writeTimeout: 0.4 },
      options: { closeTimeout: 0.2, limits: { buffered: 65_536 } },
    });
    backend.socket.pause();
    client.send(frame(2, Buffer.alloc(12_000_000)));
    expect(await client.close()).toMatchObject({ code: 1011 });
    expect(await over()).toMatchObject({ cause: 'write-timeout', code: 1011 });
  });

  test("the tunnel's writeTimeout ends a client that accepts nothing", async () => {
    const { client, backend, over } = await openFrames({
      options: { writeTimeout: 0.4, closeTimeout: 0.2, limits: { buffered: 65_536 } },
    });
    client.socket.pause();
    backend.send(plain(2, Buffer.alloc(12_000_000)));
    const end = await over();
    expect(end).toMatchObject({ cause: 'client-stalled', code: 1006 });
    expect(end.bytesOut).toBeLessThan(12_000_000);
  });
});

test('frames in the same packet as an opening handshake pass', async () => {
  const arrived = deferred<RawClient>();
  const server = await startByHand((peer, asked) => {
    peer.socket.write(
      Buffer.concat([Buffer.from(accepting(asked)), plain(2, 'at once'), plain(9).subarray(0, 1)]),
    );
    arrived.resolve(peer);
  });
  const { port } = await startTunnel({ server: { url: server.url } });
  const client = new RawClient(port);
  client.send(handshake('/tunnel'), frame(2, 'from the client'), frame(9).subarray(0, 5));
  expect((await client.answer()).status).toBe(101);
  const backend = await arrived.promise;
  expect((await backend.frame())?.payload.toString()).toBe('from the client');
  expect((await client.frame())?.payload.toString()).toBe('at once');
  client.send(frame(9).subarray(5));
  backend.send(plain(9).subarray(1));
  expect(await backend.frame()).toMatchObject({ opcode: 9 });
  expect(await client.frame()).toMatchObject({ opcode: 9 });
});
