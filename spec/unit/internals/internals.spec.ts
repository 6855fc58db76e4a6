// The contract of src/internals: a test fails when Node, Express, Connect, ws or engine.io change an internal in use.
import { spawn } from 'node:child_process';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createServer,
  IncomingMessage,
  request,
  Server,
  ServerResponse,
  type RequestListener,
} from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { connect, createServer as createTcp, Socket, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Duplex, PassThrough, Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls, createServer as createTls, type TLSSocket } from 'node:tls';
import connectApp from 'connect';
import express from 'express';
import express4 from 'express4';
import { Server as SocketIo } from 'socket.io';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { certificate } from '../../support/certificate.js';
import { isEngineIoAlone } from '../../../src/internals/engine-io.js';
import {
  handlersOf,
  isCaseSensitive,
  needsHttp1Requests,
  pathAfter,
  settingOf,
  stackOf,
} from '../../../src/internals/express.js';
import { subscribersOf } from '../../../src/internals/node-diagnostics.js';
import {
  allowsHalfOpen,
  assignSocket,
  closeResponse,
  copySettings,
  createRequest,
  createResponse,
  detachSocket,
  emitDrain,
  headerNamesOf,
  isLastResponse,
  responseOn,
  setKeepAliveTimeout,
} from '../../../src/internals/node-http.js';
import { isCompatListener, settingsOf } from '../../../src/internals/node-http2.js';
import {
  hasReusePort,
  openListenHandle,
  sendListenHandle,
  type ListenHandle,
} from '../../../src/internals/listen-handles.js';
import {
  activeServers,
  bytesPassedToLibuv,
  connectionBelow,
  descriptorOf,
  forgetReader,
  libuvQueueOf,
  serverOf,
  startReading,
  stopReading,
} from '../../../src/internals/node-net.js';
import { SocketlessWebSocket } from '../../../src/internals/ws.js';
import { onCleanup } from '../../support/cleanup.js';
import { handshake } from '../../support/raw-client.js';
import { closedPort, listen, portOf, startHttp } from '../../support/servers.js';
import { until } from '../../support/wait.js';

function collecting() {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  return { sink, text: () => Buffer.concat(chunks).toString('latin1') };
}

function responseOf(server = new Server()): ServerResponse {
  const req = new IncomingMessage(new Socket());
  req.method = 'GET';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = 1;
  return createResponse(server, req, new PassThrough());
}

describe('node:net', () => {
  async function stalledSocket(): Promise<Socket> {
    const server = createTcp((peer) => {
      peer.pause();
      onCleanup(() => peer.destroy());
    });
    await listen(server);
    const socket = connect(portOf(server), '127.0.0.1');
    onCleanup(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  }

  test('a stalled socket reports the bytes that libuv queues', async () => {
    const socket = await stalledSocket();
    const size = 32 * 1024 * 1024;
    socket.write(Buffer.alloc(size));
    socket.write(Buffer.alloc(10));
    expect(libuvQueueOf(socket)).toBeGreaterThan(0);
    expect(libuvQueueOf(socket)).toBeLessThan(size);
    expect(bytesPassedToLibuv(socket)).toBe(size);
    expect(socket.bytesWritten).toBe(size + 10);
  });

  test.each(['a plain socket', 'a socket with onread'])(
    '%s that stops reading keeps its state, and reads all bytes later',
    async (kind) => {
      const size = 8 * 1024 * 1024;
      const server = createTcp((peer) => void peer.end(Buffer.alloc(size, 'x')));
      await listen(server);
      let length = 0;
      let afterStop = 0;
      let isStopped = false;
      const receive = (bytes: number) => {
        length += bytes;
        if (isStopped) afterStop += bytes;
        if (length === bytes) {
          isStopped = true;
          stopReading(socket);
        }
        return true;
      };
      const onread = { buffer: Buffer.alloc(65_536), callback: receive };
      const address = { port: portOf(server), host: '127.0.0.1' };
      const socket = connect(kind === 'a plain socket' ? address : { ...address, onread });
      onCleanup(() => socket.destroy());
      if (kind === 'a plain socket') socket.on('data', ({ length: bytes }) => void receive(bytes));
      await until(() => isStopped);
      for (let turn = 0; turn < 50; turn++) await nextTurn();
      expect(afterStop).toBe(0);
      expect(socket.isPaused()).toBe(false);
      isStopped = false;
      startReading(socket);
      await once(socket, 'end');
      expect(length).toBe(size);
    },
  );

  test('a socket that Node has paused stays paused after a stop', async () => {
    const server = createTcp((peer) => void peer.write(Buffer.alloc(1024 * 1024)));
    await listen(server);
    const socket = connect(portOf(server), '127.0.0.1');
    onCleanup(() => socket.destroy());
    await once(socket, 'data');
    stopReading(socket);
    socket.pause();
    startReading(socket);
    const before = socket.bytesRead;
    await until(() => socket.readableLength >= socket.readableHighWaterMark || socket.bytesRead > before);
    const { bytesRead } = socket;
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    startReading(socket);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    expect(socket.bytesRead).toBe(bytesRead);
    expect(socket.isPaused()).toBe(true);
  });

  test('a listening server has a file descriptor', async () => {
    const server = createTcp();
    expect(descriptorOf(server)).toBeUndefined();
    await listen(server);
    expect(descriptorOf(server)).toBeGreaterThan(2);
  });

  test('an accepted socket names its server', async () => {
    let accepted: unknown;
    const { server, port } = await startHttp((req, res) => {
      accepted = serverOf(req.socket);
      res.end();
    });
    await once(request({ port, agent: false }).end(), 'response');
    expect(accepted).toBe(server);
  });

  test('an accepted TLS socket names the connection below', async () => {
    const { cert, key } = certificate();
    const accepted: Socket[] = [];
    const server = createTls({ cert, key });
    server.prependListener('connection', (socket: Socket) => accepted.push(socket));
    onTestFinished(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const [secured] = (await once(server, 'secureConnection')) as [TLSSocket];
    expect(connectionBelow(secured)).toBe(accepted[0]);
    client.destroy();
    secured.destroy();
  });

  test('a stream that was read begins to flow again with its next reader', async () => {
    const stream = new PassThrough();
    const stop = () => undefined;
    stream.on('data', stop);
    stream.off('data', stop);
    stream.pause();
    expect(stream.readableFlowing).toBe(false);
    forgetReader(stream);
    expect(stream.readableFlowing).toBe(null);
    stream.write('x');
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('x');
  });

  test('the active handles of the process include a listening server', async () => {
    const server = createTcp();
    expect(activeServers()).not.toContain(server);
    await listen(server);
    expect(activeServers()).toContain(server);
  });
});

describe('node:http', () => {
  test('a response is of the class and has the header rules that were given to createServer', async () => {
    class OwnResponse extends ServerResponse {}
    const server = createServer({ ServerResponse: OwnResponse as never, uniqueHeaders: ['x-one'] });
    const res = responseOf(server);
    expect(res).toBeInstanceOf(OwnResponse);
    const { sink, text } = collecting();
    assignSocket(res, sink);
    res.setHeader('X-One', ['a', 'b']);
    res.end();
    await once(res, 'finish');
    expect(text()).toContain('X-One: a; b\r\n');
  });

  test('a request that is created has the class, the headers and the end of a request that arrives', async () => {
    class OwnRequest extends IncomingMessage {}
    const options = { IncomingMessage: OwnRequest as never, joinDuplicateHeaders: true };
    const arrived: IncomingMessage[] = [];
    const server = createServer(options, (req: IncomingMessage, res) => {
      arrived.push(req.resume());
      res.end();
    });
    await listen(server);
    const { port } = server.address() as AddressInfo;
    const lines = ['GET /a?b HTTP/1.1', 'Host: a', 'Cookie: a=1', 'cookie: b=2', 'X-One: \xfc', 'X-One: c'];
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    await once(socket, 'data');
    const [first] = arrived;
    const duplex = new Duplex({ read: () => undefined });
    const req = createRequest(server, duplex, '/a?b', first!.rawHeaders, false);
    expect(req).toBeInstanceOf(OwnRequest);
    const of = ({
      method,
      url,
      httpVersion,
      headers,
      headersDistinct,
      rawHeaders,
      complete,
    }: IncomingMessage) =>
      [method, url, httpVersion, { ...headers }, { ...headersDistinct }, rawHeaders, complete] as const;
    expect(of(req)).toEqual(of(first!));
    expect(req.headers).toMatchObject({ cookie: 'a=1; b=2', 'x-one': '\xfc, c' });
    await once(req.resume(), 'end');
    expect(createRequest(createServer(), duplex, '/', [], true)).toMatchObject({ upgrade: true });
  });

  test('a response can be assigned to any stream', async () => {
    const res = responseOf();
    const duplex = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    expect(responseOn(duplex)).toBeUndefined();
    assignSocket(res, duplex);
    expect(responseOn(duplex)).toBe(res);
    expect(() => assignSocket(responseOf(), duplex)).toThrow(
      expect.objectContaining({ code: 'ERR_HTTP_SOCKET_ASSIGNED' }),
    );
    res.end('text');
    await once(res, 'finish');
    detachSocket(res, duplex);
    expect(responseOn(duplex)).toBeUndefined();
  });

  test('a drained response no longer needs a drain', () => {
    const res = responseOf();
    assignSocket(res, new Writable({ highWaterMark: 1, write: () => undefined }));
    expect(res.write(Buffer.alloc(100_000))).toBe(false);
    expect(res.writableNeedDrain).toBe(true);
    let drains = 0;
    res.on('drain', () => drains++);
    emitDrain(res);
    expect({ drains, needs: res.writableNeedDrain }).toEqual({ drains: 1, needs: false });
  });

  test("a kept-alive response names the server's keepAliveTimeout", async () => {
    const res = responseOf();
    const { sink, text } = collecting();
    assignSocket(res, sink);
    res.shouldKeepAlive = true;
    setKeepAliveTimeout(res, 7000);
    res.end();
    await once(res, 'finish');
    expect(text()).toContain('Keep-Alive: timeout=7\r\n');
  });

  test.each([
    ['close', true],
    ['keep-alive', false],
  ])('a response with Connection: %s is the last one: %s', (value, isLast) => {
    const res = responseOf();
    assignSocket(res, collecting().sink);
    res.setHeader('Connection', value);
    res.end();
    expect(isLastResponse(res)).toBe(isLast);
  });

  test('a write to a closed response raises no error event', async () => {
    const res = responseOf();
    const { sink } = collecting();
    const errors: unknown[] = [];
    res.on('error', (error) => errors.push(error));
    assignSocket(res, sink);
    res.end();
    await once(res, 'finish');
    detachSocket(res, sink);
    closeResponse(res);
    await once(res, 'close');
    res.write('late');
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toEqual([]);
  });

  test('a response keeps the spelling of its header names', () => {
    const res = responseOf();
    res.setHeader('X-Request-ID', '1');
    expect(headerNamesOf(res)).toEqual(['X-Request-ID']);
  });

  test('a request that arrives as an upgrade says so in req.upgrade', async () => {
    const { server, port } = await startHttp(() => undefined);
    const arrived = once(server, 'upgrade');
    const socket = connect(port, '127.0.0.1');
    onCleanup(() => socket.destroy());
    socket.write(handshake('/'));
    const [req] = (await arrived) as [IncomingMessage & { upgrade?: boolean }];
    onCleanup(() => req.socket.destroy());
    expect(req.upgrade).toBe(true);
  });

  test('a server has the property httpAllowHalfOpen', () => {
    const server = new Server();
    expect(server).toHaveProperty('httpAllowHalfOpen', false);
    expect(allowsHalfOpen(server)).toBe(false);
    expect(allowsHalfOpen(Object.assign(server, { httpAllowHalfOpen: true }))).toBe(true);
  });

  test('a server has the settings that are copied to another', async () => {
    class OwnRequest extends IncomingMessage {}
    const from = createServer({
      IncomingMessage: OwnRequest as never,
      uniqueHeaders: ['x-one'],
      keepAliveTimeout: 1234,
      maxHeaderSize: 4321,
    });
    // Node makes the list of connections when the server begins to listen.
    await listen(from);
    const to = new Server();
    copySettings(from, to);
    const symbols = (server: Server) =>
      new Map(Object.getOwnPropertySymbols(server).map((symbol) => [symbol.description, symbol]));
    for (const name of ['IncomingMessage', 'ServerResponse', 'kUniqueHeaders', 'http.server.connections']) {
      const symbol = symbols(from).get(name);
      expect(symbol, name).toBeDefined();
      const [source, target] = [from, to] as unknown as Record<symbol, unknown>[];
      expect(target![symbol!], name).toBe(source![symbol!]);
    }
    expect(to.keepAliveTimeout).toBe(1234);
    expect(to).toHaveProperty('maxHeaderSize', 4321);
    for (const name of ['requireHostHeader', 'insecureHTTPParser', 'joinDuplicateHeaders'])
      expect(from, name).toHaveProperty(name);
  });
});

describe('node:http2', () => {
  test('an http2 server keeps the settings that were given to createServer', () => {
    expect(settingsOf(createHttp2({ settings: { enableConnectProtocol: false } }))).toMatchObject({
      enableConnectProtocol: false,
    });
    expect(settingsOf(createHttp2())?.enableConnectProtocol).toBeUndefined();
  });

  test("an http2 server with a request listener has one stream listener, Node's own", () => {
    const server = createHttp2(() => undefined);
    expect(server.listeners('stream').map((listener) => isCompatListener(listener))).toEqual([true]);
    expect(isCompatListener(function onServerStream() {})).toBe(false);
  });
});

describe.each([
  ['Express 5', () => express(), true],
  ['Express 4', () => express4(), true],
  ['Connect', () => connectApp(), false],
])('%s', (_name, make: () => unknown, isExpress) => {
  type App = { use(path: string, handler: CallableFunction): void; (...args: unknown[]): void };

  test('layers have a handle, and match paths', () => {
    const app = make() as App;
    expect(stackOf(app)?.length ?? 0).toBeLessThanOrEqual(2);
    const handler = () => undefined;
    app.use('/desk', handler);
    const layer = stackOf(app)?.at(-1);
    expect(layer && handlersOf(layer)).toEqual([handler]);
    expect(layer && pathAfter(layer, '/desk/vnc')).toBe('/vnc');
    expect(layer && pathAfter(layer, '/desk')).toBe('/');
    expect(layer && pathAfter(layer, '/other')).toBeUndefined();
  });

  test('a function that is neither an app nor a router has no stack', () => {
    expect(stackOf(() => undefined)).toBeUndefined();
    expect(stackOf(null)).toBeUndefined();
  });

  test("an Express app's requests inherit from http's IncomingMessage", () => {
    expect(needsHttp1Requests(make() as object)).toBe(isExpress);
    expect(needsHttp1Requests(Object.assign(make() as object, { http2Request: {} }))).toBe(false);
  });

  if (!isExpress) return;

  test('a route has a handler for each method', () => {
    const app = make() as ReturnType<typeof express>;
    const [get, post] = [() => undefined, () => undefined];
    app.route('/desk').get(get).post(post);
    const layer = stackOf(app)?.at(-1);
    expect(layer && handlersOf(layer)).toEqual([get]);
    expect(layer && pathAfter(layer, '/desk')).toBe('/desk');
  });

  test('an app tells whether letter case counts', () => {
    const app = make() as ReturnType<typeof express>;
    expect(isCaseSensitive([app])).toBe(false);
    app.enable('case sensitive routing');
    expect(isCaseSensitive([app])).toBe(true);
  });

  test('an Express app compiles its trust proxy setting into a function', () => {
    const app = make() as ReturnType<typeof express>;
    app.set('trust proxy', 'loopback');
    const trusts = settingOf({ app } as never, 'trust proxy fn') as (address: string, hop: number) => boolean;
    expect([trusts('127.0.0.1', 0), trusts('192.0.2.1', 0)]).toEqual([true, false]);
    expect(settingOf({} as never, 'trust proxy fn')).toBeUndefined();
  });
});

test('ws hands the socket and the bytes after the request to setSocket', async () => {
  const { server, port } = await startHttp(() => undefined);
  const upgrades = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    WebSocket: SocketlessWebSocket,
  });
  const upgraded = new Promise<SocketlessWebSocket['upgraded']>((resolve) => {
    server.on('upgrade', (req, socket, head) => {
      onCleanup(() => socket.destroy());
      upgrades.handleUpgrade(req, socket, head, (ws) => resolve(ws.upgraded));
    });
  });
  const client = connect(port, '127.0.0.1');
  onCleanup(() => client.destroy());
  client.write(Buffer.concat([Buffer.from(handshake('/')), Buffer.from('early')]));
  const { socket, head } = (await upgraded)!;
  expect(socket).toBeInstanceOf(Socket);
  expect(head.toString()).toBe('early');
  expect(socket.listenerCount('data')).toBe(0);
  expect(WebSocket.prototype).toHaveProperty('setSocket');
});

test('engine.io and socket.io are recognised by their listeners', async () => {
  const app: RequestListener = (_req, res) => res.end();
  const { server } = await startHttp(app);
  expect(isEngineIoAlone(server, () => false)).toBe(false);
  const io = new SocketIo(server);
  onCleanup(() => io.close());
  expect(isEngineIoAlone(server, () => false)).toBe(true);
  server.on('upgrade', () => undefined);
  expect(isEngineIoAlone(server, () => false)).toBe(false);
});

describe('a listening socket for child processes', () => {
  const CHILD = `process.on('message', (_message, handle) => {
    const server = require('node:net').createServer((socket) => socket.end(String(process.pid)));
    server.listen({ _handle: handle }, () => process.send(server.address()));
  })`;

  async function childOn(handle: ListenHandle): Promise<{ pid: number; port: number }> {
    const child = spawn(process.execPath, ['-e', CHILD], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    onCleanup(() => void child.kill('SIGKILL'));
    sendListenHandle(child, 'socket', handle);
    const [{ port }] = (await once(child, 'message')) as [AddressInfo];
    return { pid: child.pid!, port };
  }

  async function pidAt(port: number): Promise<number> {
    const client = connect(port, '127.0.0.1');
    const [chunk] = (await once(client, 'data')) as [Buffer];
    client.destroy();
    return Number(chunk.toString());
  }

  const loopback = { address: '127.0.0.1', ipv6Only: false };

  test('a child accepts the connections of a socket that its parent has bound', async () => {
    const handle = openListenHandle({ ...loopback, port: 0, reusePort: false });
    onCleanup(() => handle.close());
    const { pid, port } = await childOn(handle);
    expect(await pidAt(port)).toBe(pid);
  });

  // Older lines of Node have no such sockets.
  if (hasReusePort())
    test('with SO_REUSEPORT, the kernel spreads connections over two children', async () => {
      const port = await closedPort();
      const handles = [0, 1].map(() => openListenHandle({ ...loopback, port, reusePort: true }));
      onCleanup(() => handles.forEach((handle) => handle.close()));
      const children = await Promise.all(handles.map(childOn));
      const seen = new Set<number>();
      for (let tries = 0; tries < 200 && seen.size < 2; tries++) seen.add(await pidAt(port));
      expect(seen).toEqual(new Set(children.map(({ pid }) => pid)));
    });

  test('a path in use is an error with the code EADDRINUSE', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'wstunnel-handle-')), 's');
    onCleanup(() => rm(dirname(path), { recursive: true }));
    const handle = openListenHandle({ path });
    onCleanup(() => handle.close());
    expect(() => openListenHandle({ path })).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  });

  test.each([
    ['20.20.2', 'linux', false],
    ['22.11.0', 'linux', false],
    ['22.12.0', 'linux', true],
    ['23.0.0', 'linux', false],
    ['23.1.0', 'linux', true],
    ['24.0.0', 'linux', true],
    ['24.0.0', 'darwin', false],
  ])('Node %s on %s: SO_REUSEPORT is %s', (version, platform, expected) => {
    expect(hasReusePort(version, platform)).toBe(expected);
  });
});

test('the subscribers of a diagnostics channel can be found', () => {
  const some = channel('express-wstunnel:internals');
  const [one, other] = [() => undefined, () => undefined];
  subscribe(some.name, one);
  subscribe(some.name, other);
  const found = subscribersOf(some);
  unsubscribe(some.name, one);
  expect(found).toEqual([one, other]);
  expect(subscribersOf(some)).toEqual([other]);
  unsubscribe(some.name, other);
  expect(some.hasSubscribers).toBe(false);
});
