import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, type Readable } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { connect, listen as listenLocal } from '../../../src/client/index.js';
import type { ClosedInfo, Host, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { onCleanup } from '../../support/cleanup.js';
import { FakeIo } from '../../support/fake-io.js';
import { ask, connectHeaders, connectHttp2, startHttp2Tunnel } from '../../support/http2.js';
import { closeFrame, frame, openRaw } from '../../support/raw-client.js';
import { listen, portOf, startBackend, startTunnel } from '../../support/servers.js';
import { startSlowLine } from './slow-line.js';
import { until } from '../../support/wait.js';
import { failed } from '../../support/websocket-server.js';
import { runStdio } from '../../../src/command/connect/stdio.js';

/** More bytes than loopback kernels buffer; at `RATE` they take far longer than `SHORT`. */
const MUCH = 10_000_000;
const RATE = 6_000_000;
const SHORT = 0.3;
const timeout = 60_000;

/** A slow backend, with the number of received bytes and the end of the connection. */
interface SlowBackend {
  readonly host: Host;
  readonly state: { received: number; end: string | undefined };
  /** Stops reading. */
  stop(): void;
}

/** Reads a stream at a steady rate. */
function readSlowly(stream: Readable, count: (bytes: number) => boolean): void {
  stream.on('data', (chunk: Buffer) => {
    stream.pause();
    if (!count(chunk.length)) return;
    const timer = setTimeout(() => stream.resume(), (chunk.length / RATE) * 1000);
    onCleanup(() => clearTimeout(timer));
  });
}

async function slowBackend(kind: string): Promise<SlowBackend> {
  const state: SlowBackend['state'] = { received: 0, end: undefined };
  let isStopped = false;
  const stop = () => (isStopped = true);
  const count = (bytes: number) => {
    state.received += bytes;
    return !isStopped;
  };
  if (kind === 'a stream in the process') {
    const make = () => {
      const stream = new Duplex({
        read: () => undefined,
        write: ({ length }: Buffer, _encoding, done) => {
          if (!count(length)) return;
          const timer = setTimeout(done, (length / RATE) * 1000);
          onCleanup(() => clearTimeout(timer));
        },
        final: (done) => {
          state.end = 'end';
          stream.push(null);
          done();
        },
      });
      stream.on('close', () => (state.end ??= 'close'));
      return stream;
    };
    return { host: { connect: make }, state, stop };
  }
  const serve = (socket: Socket) => {
    socket.on('error', ({ code }: NodeJS.ErrnoException) => (state.end ??= code));
    socket.on('end', () => {
      state.end ??= 'end';
      socket.end();
    });
    readSlowly(socket, count);
  };
  const options = { allowHalfOpen: true };
  const server: Server =
    kind === 'TLS' ? createTlsServer({ ...certificate(), ...options }, serve) : createServer(options, serve);
  if (kind === 'a unix socket') {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-slow-'));
    onCleanup(() => rm(folder, { recursive: true }));
    await listen(server, join(folder, 'backend'));
    return { host: { socket: join(folder, 'backend') }, state, stop };
  }
  await listen(server);
  const host = { port: portOf(server), ...(kind === 'TLS' && { tls: { ca: certificate().cert } }) };
  return { host, state, stop };
}

async function openTo(host: Host, options: Partial<TunnelOptions> = {}) {
  const site = await startTunnel({ server: host, closeTimeout: SHORT, ...options });
  const closed = once(site.tunnel, 'close') as Promise<[ClosedInfo]>;
  return { ...site, over: async () => (await closed)[0] };
}

/** All bytes are read from the client at once: the Close arrives while most bytes are queued for the backend. */
const roomy = { limits: { buffered: 512 * 1024 * 1024 } };

const KINDS = ['TCP', 'TLS', 'a unix socket', 'a stream in the process'];

describe('issue 12, case 20: bytes in flight at the Close', () => {
  describe.each(KINDS)('to a slow backend: %s', (kind) => {
    test('arrive long after closeTimeout, and only then the client gets the end', { timeout }, async () => {
      const { host, state } = await slowBackend(kind);
      const { url, over } = await openTo(host, roomy);
      const stream = connect(url, { closeTimeout: SHORT });
      const ended = once(stream.resume(), 'end').then(() => state.received);
      stream.end(Buffer.alloc(MUCH));
      // Some bytes may still be in transit between the two sockets.
      const atEnd = await ended;
      if (kind === 'a stream in the process') expect(atEnd).toBe(MUCH);
      expect(await over()).toMatchObject({ code: 1000, bytesIn: MUCH });
      await until(() => state.end !== undefined);
      expect(state).toEqual({ received: MUCH, end: 'end' });
    });

    test('a stalled backend is reset, and neither side gets an orderly end', { timeout }, async () => {
      const slow = await slowBackend(kind);
      const { host, state } = slow;
      const { url, over } = await openTo(host, roomy);
      const stream = connect(url, { closeTimeout: 5 });
      const error = failed(stream);
      const chunks = Buffer.alloc(40_000_000);
      stream.resume().end(chunks);
      await until(() => state.received > 100_000);
      slow.stop();
      const reason = 'the backend did not accept what the client sent within closeTimeout';
      expect(await error).toMatchObject({ code: 'WSTUNNEL_CLOSED', closeCode: 1011, reason });
      const closed = await over();
      expect(closed).toMatchObject({ code: 1011, reason });
      expect(closed.bytesIn).toBeLessThan(chunks.length);
      // The stream never calls back for the last write, so that bytesIn may be lower than `received`.
      if (kind === 'a stream in the process') expect(state.end).toBe('close');
      else expect(closed.bytesIn).toBeGreaterThanOrEqual(state.received);
    });
  });

  test('the reset reaches a TCP backend that reads on', { timeout }, async () => {
    const backend = await startBackend((socket) => socket.pause());
    const { url, over } = await openTo({ port: backend.port }, roomy);
    const connected = backend.connection();
    const stream = connect(url, { closeTimeout: 5 });
    const error = failed(stream);
    stream.resume().end(Buffer.alloc(40_000_000));
    const own = await connected;
    // libuv reports a reset with unread bytes as an error or as an end; after an end the next write fails.
    const fate = new Promise<string | undefined>((resolve) => {
      own.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      own.on('end', () =>
        own.write('x', (failure?: NodeJS.ErrnoException | null) => resolve(failure?.code ?? 'written')),
      );
    });
    await error;
    own.resume();
    expect(await fate).toBe('ECONNRESET');
    expect(await over()).toMatchObject({ code: 1011 });
  });

  test('a backend that writes while it reads slowly gets everything', { timeout }, async () => {
    const size = 2_000_000;
    let received = 0;
    const failures: unknown[] = [];
    const backend = await startBackend((socket) => {
      socket.removeAllListeners('data');
      socket.on('error', (error) => failures.push(error));
      socket.pause();
      const timer = setInterval(() => {
        if (socket.writable) socket.write('a line\n');
        received += (socket.read(Math.min(65_536, socket.readableLength)) as Buffer | null)?.length ?? 0;
        if (received === size) socket.end();
      }, 50);
      socket.on('close', () => clearInterval(timer));
      onCleanup(() => clearInterval(timer));
    });
    const { port, over } = await openTo({ port: backend.port });
    const client = await openRaw(port);
    client.send(frame(2, Buffer.alloc(size)), closeFrame(1000));
    expect(await over()).toMatchObject({ code: 1000, bytesIn: size });
    expect({ received, failures }).toEqual({ received: size, failures: [] });
  });

  test('a client that sends PINGs and reads nothing leaves no negative count', { timeout }, async () => {
    const backend = await startBackend();
    const { port, over } = await openTo({ port: backend.port }, { writeTimeout: 0.5 });
    const client = await openRaw(port);
    client.socket.pause();
    const ping = frame(9, Buffer.alloc(125));
    const flood = setInterval(
      () => client.socket.write(Buffer.concat(Array.from({ length: 2000 }, () => ping))),
      5,
    );
    onCleanup(() => clearInterval(flood));
    expect(await over()).toMatchObject({ code: 1006, bytesOut: 0 });
    clearInterval(flood);
  });

  test('a backend that fails meanwhile gives both sides 1011', { timeout }, async () => {
    const backend = await startBackend((socket) => socket.pause());
    const { url, over, tunnel } = await openTo({ port: backend.port }, { ...roomy, closeTimeout: 30 });
    const connected = backend.connection();
    const stream = connect(url, { closeTimeout: 30 });
    const error = failed(stream);
    stream.resume().end(Buffer.alloc(20_000_000));
    const own = await connected;
    await until(() => tunnel.stats().bytesIn === 20_000_000);
    own.resetAndDestroy();
    expect(await error).toMatchObject({ closeCode: 1011 });
    expect(await over()).toMatchObject({ code: 1011 });
  });

  test('a backend too slow for drainTimeout is reset although it reads', { timeout }, async () => {
    const { host, state } = await slowBackend('a stream in the process');
    const { url, over } = await openTo(host, { ...roomy, drainTimeout: 0.6 });
    const stream = connect(url, { closeTimeout: 5 });
    const error = failed(stream);
    stream.resume().end(Buffer.alloc(40_000_000));
    const reason = 'the backend did not accept what the client sent within drainTimeout';
    expect(await error).toMatchObject({ closeCode: 1011, reason });
    expect(await over()).toMatchObject({ code: 1011, reason });
    expect(state.end).toBe('close');
  });

  test('with an empty queue the Close is answered at once', async () => {
    const backend = await startBackend();
    const { port } = await openTo({ port: backend.port }, { closeTimeout: 60 });
    const client = await openRaw(port);
    client.send(frame(2, 'last'), frame(8));
    expect((await client.frame())?.opcode).toBe(8);
  });

  test('to a slow client arrive after the end of the backend', { timeout }, async () => {
    const backend = await startBackend((socket) => socket.end(Buffer.alloc(150_000)));
    const { port, over } = await openTo({ port: backend.port });
    const line = await startSlowLine(port, { rate: 50_000, holds: MUCH });
    const stream = connect(`ws://127.0.0.1:${line.port}/tunnel`, { closeTimeout: SHORT });
    let got = 0;
    stream.on('data', (chunk: Buffer) => (got += chunk.length));
    await once(stream, 'end');
    expect(got).toBe(150_000);
    expect(await over()).toMatchObject({ code: 1000, bytesOut: 150_000 });
  });

  test('to a slow client arrive over HTTP/2 as well', { timeout }, async () => {
    const backend = await startBackend((socket) => socket.end(Buffer.alloc(MUCH / 5)));
    const { port, tunnel } = await startHttp2Tunnel({ server: { port: backend.port }, closeTimeout: SHORT });
    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    const { stream } = await ask(await connectHttp2(port), connectHeaders());
    let got = 0;
    let isAnswered = false;
    stream.on('data', (chunk: Buffer) => {
      got += chunk.length;
      stream.pause();
      const timer = setTimeout(() => stream.resume(), (chunk.length / (RATE / 10)) * 1000);
      onCleanup(() => clearTimeout(timer));
      if (got < MUCH / 5 || isAnswered) return;
      isAnswered = true;
      stream.write(frame(8, Buffer.from([3, 232])));
    });
    const [{ code, bytesOut }] = await closed;
    expect({ code, bytesOut }).toEqual({ code: 1000, bytesOut: MUCH / 5 });
    expect(got).toBeGreaterThanOrEqual(MUCH / 5);
  });

  test('a client that never answers is not reported as having received everything', { timeout }, async () => {
    const backend = await startBackend((socket) => socket.end('a few bytes'));
    const { port, over } = await openTo({ port: backend.port });
    await openRaw(port);
    expect(await over()).toMatchObject({
      code: 1006,
      reason: 'the client did not answer the Close within closeTimeout',
    });
  });

  test(
    'connect --stdio delivers all of its input over a slow line and exits with 0',
    { timeout },
    async () => {
      const backend = await startBackend((socket) => socket.on('end', () => socket.end()));
      const { port, over } = await openTo({ port: backend.port });
      const line = await startSlowLine(port, { rate: 50_000, holds: MUCH });
      const io = new FakeIo();
      const options = { closeTimeout: SHORT, proxy: false as const };
      const code = runStdio(io, { url: `ws://127.0.0.1:${line.port}/tunnel`, options }, false);
      io.stdin.end(Buffer.alloc(150_000));
      expect(await code).toBe(0);
      expect(backend.received().length).toBe(150_000);
      expect(await over()).toMatchObject({ code: 1000, bytesIn: 150_000 });
    },
  );

  test('connect --stdio reports input that the server cut off by its Close', { timeout }, async () => {
    const backend = await startBackend((socket) => {
      socket.pause();
      setTimeout(() => socket.end('enough'), 200);
    });
    const { port } = await openTo({ port: backend.port });
    const io = new FakeIo();
    const options = { closeTimeout: SHORT, proxy: false as const };
    const code = runStdio(io, { url: `ws://127.0.0.1:${port}/tunnel`, options }, false);
    const exit = code.catch((error: unknown) => error);
    io.stdin.end(Buffer.alloc(30_000_000));
    expect(await exit).toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/closed the tunnel before .* of the input could be sent/) as string,
    });
  });

  test('connect --stdio reports a line lost after the Close', { timeout }, async () => {
    const backend = await startBackend();
    const { port } = await openTo({ port: backend.port });
    const line = await startSlowLine(port, { rate: 50_000, holds: MUCH });
    const io = new FakeIo();
    const options = { closeTimeout: SHORT, proxy: false as const };
    const code = runStdio(io, { url: `ws://127.0.0.1:${line.port}/tunnel`, options }, false);
    const exit = code.catch((error: unknown) => error);
    await until(() => line.passed.down > 0);
    line.cut();
    io.stdin.end('never read');
    expect(await exit).toMatchObject({ exitCode: 1, message: expect.stringMatching(/1006/) as string });
  });

  test(
    'a local program that reads slowly gets everything after the end of the server',
    { timeout },
    async () => {
      const backend = await startBackend((socket) => socket.end(Buffer.alloc(MUCH)));
      const { url, tunnel } = await startTunnel({ server: { port: backend.port } });
      const local = await listenLocal(0, url, { closeTimeout: SHORT, ...roomy.limits });
      onCleanup(() => local.close({ timeout: 0 }));
      const closed = once(local, 'close');
      const line = await startSlowLine((local.address as { port: number }).port, {
        rate: RATE,
        holds: 65_536,
      });
      const socket = connectTcp(line.port, '127.0.0.1');
      onCleanup(() => socket.destroy());
      let got = 0;
      socket.on('data', (chunk: Buffer) => (got += chunk.length));
      await once(socket, 'end');
      expect(got).toBe(MUCH);
      socket.end();
      expect((await closed)[0]).toMatchObject({ code: 1000, bytesIn: MUCH });
      await until(() => tunnel.stats().open === 0);
      expect(tunnel.stats().closed).toEqual({ 1000: 1 });
    },
  );
});

describe('issue 12, case 19: a client that accepts no bytes', () => {
  const PONG = frame(10);

  test('is cut off after writeTimeout although it sends PONGs', async () => {
    const backend = await startBackend((socket) => socket.write(Buffer.alloc(MUCH)));
    const options = { writeTimeout: 0.4, pingInterval: 0.1, pongTimeout: 0.2 };
    const { port, over } = await openTo({ port: backend.port }, options);
    const client = await openRaw(port);
    client.socket.pause();
    const beat = setInterval(() => client.send(PONG), 20);
    onCleanup(() => clearInterval(beat));
    expect(await over()).toMatchObject({ code: 1006, reason: 'the client accepted no data for 0.4 s' });
  });

  test('is kept with a writeTimeout of 0', async () => {
    const backend = await startBackend((socket) => socket.write(Buffer.alloc(MUCH)));
    const { port, tunnel } = await openTo({ port: backend.port }, { writeTimeout: 0 });
    const client = await openRaw(port);
    client.socket.pause();
    await until(() => tunnel.stats().bytesOut > 100_000);
    const later = performance.now() + 1000;
    await until(() => performance.now() > later);
    expect(tunnel.stats().open).toBe(1);
  });

  test('is kept when it accepts bytes slowly', { timeout }, async () => {
    const backend = await startBackend();
    const { port, tunnel } = await openTo({ port: backend.port }, { writeTimeout: 2 });
    const connected = backend.connection();
    const client = await openRaw(port);
    let got = 0;
    client.socket.on('data', (chunk: Buffer) => (got += chunk.length));
    readSlowly(client.socket, () => true);
    (await connected).write(Buffer.alloc(MUCH));
    await until(() => got >= MUCH || tunnel.stats().open === 0);
    expect(got).toBeGreaterThanOrEqual(MUCH);
  });
});

test("issue 12, case 19: a tunnel's duration is measured by a monotonic clock", async () => {
  const { port, over } = await openTo({
    port: (await startBackend((socket) => socket.on('end', () => socket.end()))).port,
  });
  const client = await openRaw(port);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now - 3_600_000);
  onCleanup(() => vi.restoreAllMocks());
  client.send(frame(8));
  await client.ended();
  client.socket.end();
  const { duration, since } = await over();
  expect(duration).toBeGreaterThanOrEqual(0);
  expect(duration).toBeLessThan(60);
  expect(Math.abs(since - now)).toBeLessThan(60_000);
});
