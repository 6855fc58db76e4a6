import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import { Duplex, PassThrough, type DuplexOptions } from 'node:stream';
import { createServer as createTls } from 'node:tls';
import express from 'express';
import { describe, expect, test, vi } from 'vitest';
import { WebSocketStream } from '../../src/frames/websocket-stream.js';
import type { ClosedInfo, Host } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { Random } from '../support/random.js';
import { startSite, upgradeOn, type Transport } from '../support/integrity/site.js';
import {
  closeFrame,
  frame,
  handshake,
  openRaw,
  RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import {
  listen,
  makeTunnel,
  portOf,
  startApp,
  startBackend,
  startEcho,
  startTunnel,
} from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

const LARGE = Buffer.alloc(600_000, 'no two words of it are the same ');

describe('a client that reads but answers no PING is cut off', () => {
  test.each<Transport>(['http', 'https', 'duplex'])(
    'over %s, however much the backend sends',
    async (transport) => {
      const site = await startSite(
        transport,
        'tcp',
        (backend) => {
          const beat = setInterval(() => backend.write('tick'), 5);
          backend.on('close', () => clearInterval(beat));
        },
        { pingInterval: 0.1, pongTimeout: 0.2, closeTimeout: 0.2 },
      );
      const closed = once(site.tunnel, 'close') as Promise<[ClosedInfo]>;
      const client = site.dial(new Random(1));
      await upgradeOn(client);
      client.resume();
      const [{ code, reason }] = await closed;
      expect({ code, reason }).toEqual({
        code: 1006,
        reason: 'the client was silent for 0.2 s after a PING',
      });
    },
  );
});

test.each<Transport>(['http', 'https', 'duplex', 'https duplex'])(
  'over %s, a client that accepts no bytes is detected although PINGs go on',
  async (transport) => {
    const serve = (backend: Socket) => void backend.write(Buffer.alloc(16_000_000));
    const options = { pingInterval: 0.05, pongTimeout: 0.1, closeTimeout: 0.2 };
    const site = await startSite(transport, 'tcp', serve, options);
    const closed = once(site.tunnel, 'close') as Promise<[ClosedInfo]>;
    await upgradeOn(site.dial(new Random(1)));
    const [{ code, reason }] = await closed;
    expect({ code, reason }).toEqual({ code: 1006, reason: 'the client was silent for 0.1 s after a PING' });
  },
);

test('a client is not cut off when reading resumes in the event-loop turn that checks its PONG', async () => {
  vi.useFakeTimers();
  onCleanup(() => vi.useRealTimers());
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  onCleanup(() => socket.destroy());
  const settings = { pingInterval: 30, pongTimeout: 20, closeTimeout: 10, buffered: 65_536 };
  const nothing = () => undefined;
  const handlers = { payload: nothing, drain: nothing, closing: nothing, ended: nothing, closed: nothing };
  const stream = new WebSocketStream(socket, { frameType: 'binary', ...settings }, handlers);
  stream.start(Buffer.alloc(0));
  stream.pause();
  await vi.advanceTimersByTimeAsync(30_000);
  // Reading resumes after the stream's timer and before the check, when received bytes are still unread.
  setTimeout(() => stream.resume(), 20_000);
  await vi.advanceTimersByTimeAsync(20_001);
  expect(socket.destroyed).toBe(false);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(socket.destroyed).toBe(true);
});

test('a client that accepts queued bytes slowly is not idle', async () => {
  const backend = await startBackend((socket) => socket.write(LARGE));
  const server = { port: backend.port };
  // With this limit, accepting one chunk takes much less time than the timeout.
  const limits = { buffered: 131_072 };
  const tunnel = makeTunnel({ server, idleTimeout: 0.3, pingInterval: 0, closeTimeout: 0.1, limits });
  const http = createHttp(express().use('/tunnel', tunnel));
  tunnel.attach(http);
  let taken = 0;
  const slow = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      taken += chunk.length;
      setTimeout(done, chunk.length / 1000);
    },
  });
  onCleanup(() => slow.destroy());
  const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
  http.emit('connection', slow);
  slow.push(handshake('/tunnel'));
  const [{ code, reason }] = await closed;
  expect(taken).toBeGreaterThan(LARGE.length);
  // The client accepted all bytes and the Close.
  expect({ code, reason }).toEqual({ code: 1001, reason: 'idle for 0.3 s' });
});

test.each([
  ['in one chunk', ['good \u20ac', '\xff', ' never']],
  ['with a character cut before it', ['good \u20ac', '']],
])('text mode: bytes before an invalid byte of the backend are delivered, %s', async (_how, parts) => {
  const [good = '', ...rest] = parts;
  const bad = Buffer.concat([Buffer.from(good), Buffer.from([0xff]), Buffer.from(rest.join(''), 'latin1')]);
  const cut = rest.length === 1 ? Buffer.byteLength(good) - 1 : bad.length;
  const backend = await startBackend((socket) => {
    socket.setNoDelay(true).write(bad.subarray(0, cut));
    if (cut < bad.length) setTimeout(() => socket.write(bad.subarray(cut)), 50);
  });
  const server = { port: backend.port };
  const { port, tunnel } = await startTunnel({ server, frameType: 'text', closeTimeout: 0.2 });
  const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
  const client = await openRaw(port);
  expect((await client.payload(Buffer.byteLength(good))).toString()).toBe(good);
  expect(await client.close()).toMatchObject({ code: 1011 });
  expect((await closed)[0].code).toBe(1011);
});

test('bytes of the client that another listener saw stay unchanged', async () => {
  const backend = await startBackend();
  const tunnel = makeTunnel({ server: { port: backend.port }, closeTimeout: 0.2 });
  const seen: Buffer[] = [];
  const { port } = await startApp((app) => {
    app.use((req, _res, next) => {
      req.socket.on('data', (chunk: Buffer) => seen.push(chunk));
      next();
    });
    app.use('/tunnel', tunnel);
  });
  const client = await openRaw(port);
  const sent = frame(2, LARGE);
  client.send(sent);
  await until(() => backend.received().length === LARGE.length);
  expect(seen.reduce((sum, { length }) => sum + length, 0)).toBe(sent.length);
  expect(Buffer.concat(seen).equals(sent)).toBe(true);
});

/** A socket of another class, as in proxies and mocks: it reports a write as done, but still uses the chunk. */
class HoldingSocket extends Socket {
  readonly #far: Socket;

  constructor(far: Socket) {
    super({ allowHalfOpen: true });
    this.#far = far;
    far.on('data', (chunk) => this.push(chunk));
    far.on('close', () => this.destroy());
  }

  override _read(): void {
    // The other end pushes the bytes.
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    setTimeout(() => this.#far.write(chunk, encoding), 5);
    done();
  }

  override _writev(all: { chunk: Buffer | string; encoding: BufferEncoding }[], done: () => void): void {
    for (const { chunk, encoding } of all) this._write(chunk, encoding, () => undefined);
    done();
  }

  override _final(done: () => void): void {
    setTimeout(() => this.#far.end(), 5);
    done();
  }
}

test('a chunk still in use by a socket of another class is not freed', async () => {
  const backend = await startBackend((socket) => socket.write(LARGE));
  const tunnel = makeTunnel({ server: { port: backend.port }, closeTimeout: 0.2 });
  const http = createHttp(express().use('/tunnel', tunnel));
  tunnel.attach(http);
  const server = createServer((socket) => {
    const holding = new HoldingSocket(socket);
    onCleanup(() => holding.destroy());
    http.emit('connection', holding);
  });
  await listen(server);
  const client = await openRaw(portOf(server));
  expect((await client.payload(LARGE.length)).equals(LARGE)).toBe(true);
});

test('a TLS backend that resets while the client is slow counts as failed and not as ended', async () => {
  const all = Buffer.alloc(8_000_000);
  const site = await startSite('http', 'tls', (backend) => backend.write(all), { closeTimeout: 0.5 });
  // Only some resets are reported as an end, hence several rounds.
  for (let round = 0; round < 6; round++) {
    const connected = once(site.backend, 'connection') as Promise<[Socket]>;
    const closed = once(site.tunnel, 'close') as Promise<[ClosedInfo]>;
    const client = site.dial(new Random(round));
    await upgradeOn(client);
    const [raw] = await connected;
    raw.on('error', () => undefined);
    // When the count stops growing, the buffers of both sides are full.
    for (let before = -1; before !== site.tunnel.stats().bytesOut;) {
      before = site.tunnel.stats().bytesOut;
      await sleep(50);
    }
    raw.resetAndDestroy();
    client.resume().on('end', () => client.end());
    const [{ code, reason }] = await closed;
    expect({ code, reason }).toEqual({ code: 1011, reason: 'the backend failed' });
  }
});

/** A stream of an app: accepts all bytes, sends nothing. */
const mute = (options: DuplexOptions = {}) =>
  new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done(), ...options });

test.each(['TLS', 'a socket of connect'])(
  'a backend over %s that ends before the tunnel opens counts as ended',
  async (kind) => {
    const end = (socket: Socket) => void socket.end();
    const options = { ...certificate(), allowHalfOpen: true };
    const backend = kind === 'TLS' ? createTls(options, end) : createServer(options, end);
    await listen(backend);
    const port = portOf(backend);
    const server: Host =
      kind === 'TLS'
        ? { port, tls: { ca: certificate().cert } }
        : { connect: () => connect({ port, allowHalfOpen: true }) };
    const { port: site } = await startApp((app) => {
      // A session is being saved: the backend is connected, but the 101 is not sent.
      app.use((_req, res, next) => {
        const end = res.end.bind(res);
        res.end = () => {
          setTimeout(end, 100);
          return res;
        };
        next();
      });
      app.use('/tunnel', makeTunnel({ server, closeTimeout: 0.2 }));
    });
    const client = await openRaw(site);
    expect(await client.close()).toEqual({ code: 1000, reason: 'the backend ended' });
  },
);

test.each([
  ['end', 1000],
  ['reset', 1011],
])(
  'bytes that fill the small read buffer to its last byte are delivered before the %s of the backend',
  async (how, code) => {
    // The size of the small buffer with which an idle connection is read.
    const sent = LARGE.subarray(0, 4000);
    const backend = await startBackend();
    // The backend is connected but not yet read, so that one wake-up finds data and end.
    const sendAll = async () => {
      await until(() => backend.sockets.size === 1);
      const [socket] = backend.sockets;
      await new Promise<void>((resolve) =>
        how === 'end' ? socket?.end(sent, resolve) : socket?.write(sent, () => resolve()),
      );
      if (how === 'reset') socket?.resetAndDestroy();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const { port } = await startApp((app) => {
      app.use((_req, res, next) => {
        const end = res.end.bind(res);
        res.end = () => {
          void sendAll().then(() => end());
          return res;
        };
        next();
      });
      app.use('/tunnel', makeTunnel({ server: { port: backend.port }, closeTimeout: 0.2 }));
    });
    const client = await openRaw(port);
    expect((await client.payload(sent.length)).equals(sent)).toBe(true);
    expect((await client.close())?.code).toBe(code);
  },
);

describe('a stream of the app as backend', () => {
  test.each([
    ['says no close', { emitClose: false }],
    ['is never destroyed', { destroy: () => undefined }],
  ])('that %s keeps no tunnel open', async (_what, options) => {
    const server = { connect: () => mute(options) };
    const { port, tunnel } = await startTunnel({ server, closeTimeout: 0.1 });
    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    (await openRaw(port)).send(closeFrame(1000)).socket.end();
    expect((await closed)[0].code).toBe(1000);
    expect(tunnel.stats()).toMatchObject({ open: 0, backends: [{ load: 0 }] });
    await openRaw(port);
    await tunnel.close({ timeout: 0 });
  });

  test.each(['at once', 'later'])('that throws, %s, counts as failed', async (when) => {
    const write = () => {
      throw new Error('no such write');
    };
    const { port, tunnel } = await startTunnel({ server: { connect: () => mute({ write }) } });
    const client = new RawClient(port).send(handshake('/tunnel'), when === 'at once' ? frame(2, 'x') : '');
    expect((await client.answer()).status).toBe(101);
    if (when === 'later') client.send(frame(2, 'x'));
    expect(await client.close()).toEqual({ code: 1011, reason: 'the backend failed' });
    client.send(closeFrame(1011)).socket.end();
    await until(() => tunnel.stats().open === 0);
  });

  test('that failed before the tunnel opens counts as failed, although it is not destroyed', async () => {
    const write = (_chunk: Buffer, _encoding: string, done: (error: Error) => void) =>
      done(new Error('full'));
    const connect = () => {
      const stream = mute({ autoDestroy: false, write });
      stream.on('error', () => undefined).write('x');
      return stream;
    };
    const { port, tunnel } = await startTunnel({ server: { connect }, closeTimeout: 0.2 });
    const client = await openRaw(port);
    expect(await client.close()).toEqual({ code: 1011, reason: 'the backend failed' });
    client.send(closeFrame(1011)).socket.end();
    await until(() => tunnel.stats().open === 0);
  });

  test('that server() returns twice stays with its first tunnel', async () => {
    const stream = new PassThrough();
    const { port } = await startTunnel({ server: () => stream });
    const client = (await openRaw(port)).send(frame(2, 'one'));
    expect((await client.payload(3)).toString()).toBe('one');
    const second = requestTunnel(port);
    expect((await second.answer()).status).toBe(500);
    await second.rest();
    client.send(frame(2, 'two'));
    expect((await client.payload(3)).toString()).toBe('two');
  });

  test.each(['connect', 'server'])('that %s returns while the request ends is freed', async (how) => {
    const statuses: number[] = [];
    for (let turns = 0; turns < 12; turns++) {
      let stream: Duplex | undefined;
      const give = async () => {
        await new Promise((resolve) => setImmediate(resolve));
        stream = mute();
        inTurns(turns, () => tunnel.end(() => true));
        return stream;
      };
      const server = how === 'connect' ? { connect: give } : give;
      const { port, tunnel } = await startTunnel({ server, closeTimeout: 0.1 });
      statuses.push(await statusOf(port));
      await until(() => stream?.destroyed === true && tunnel.stats().open === 0);
    }
    // A later end finds the tunnel open.
    expect(statuses[0]).toBe(403);
    expect(statuses.join(' ')).toMatch(/^(403 ?)+(101 ?)*$/);
  });
});

test('a request that is ended in the event-loop turn of its 101 gets no tunnel', async () => {
  const { port: echo } = await startEcho();
  for (let turns = 0; turns < 12; turns++) {
    const tunnel = makeTunnel({ server: { port: echo }, closeTimeout: 0.1 });
    const { port } = await startApp((app) => {
      app.use((_req, res, next) => {
        res.on('finish', () => inTurns(turns, () => expect(tunnel.end(() => true)).toBe(1)));
        next();
      });
      app.use('/tunnel', tunnel);
    });
    const client = requestTunnel(port);
    const { status } = await client.answer();
    if (status === 101) expect(await client.close()).toMatchObject({ code: 1008 });
    else expect(status).toBe(403);
    await until(() => tunnel.stats().open === 0);
  }
});

/** Calls `act` after this number of microtasks. */
function inTurns(turns: number, act: () => void): void {
  if (turns === 0) act();
  else queueMicrotask(() => inTurns(turns - 1, act));
}
