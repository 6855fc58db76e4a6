import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type LookupFunction, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/client/index.js';
import { connectToFirst } from '../../src/backends/race.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { frame, openRaw } from '../support/raw-client.js';
import { closedPort, listen, portOf, startBackend, startEcho, startTunnel } from '../support/servers.js';
import { startStuck } from './stuck-server.js';
import { until } from '../support/wait.js';

/** A lookup that resolves every name to the given addresses; without `all` only the first address. */
const knows =
  (...addresses: string[]): LookupFunction =>
  (_name, options, done) => {
    const all: LookupAddress[] = addresses.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    if (options.all === true) done(null, all);
    else done(null, all[0]!.address, all[0]!.family);
  };

/** Makes `dns.lookup` resolve every name to the given addresses. */
function namesHave(...addresses: string[]): void {
  const spy = vi.spyOn(dns, 'lookup').mockImplementation(knows(...addresses) as never);
  onCleanup(() => spy.mockRestore());
}

const never = new AbortController().signal;
const STUCK = '127.0.0.2';
const DEAD = '127.0.0.3';
const ALIVE = '127.0.0.1';

/** Records every socket that `net.connect` creates after the call. */
function watchSockets(): Socket[] {
  const made: Socket[] = [];
  const onSocket = (message: unknown) => made.push((message as { socket: Socket }).socket);
  subscribe('net.client.socket', onSocket);
  onCleanup(() => unsubscribe('net.client.socket', onSocket));
  return made;
}

describe("issue 12, case 25: a backend's name with several addresses", () => {
  test('a slow first address is used although the second address is dead', async () => {
    const { port: backend } = await startStuck({ host: STUCK, slow: 600 });
    const server = { host: 'desk.test', port: backend, lookup: knows(STUCK, DEAD) };
    const { port } = await startTunnel({ server });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
  });

  test('an address that accepts no connection is skipped long before connectTimeout', async () => {
    const { port: stuck } = await startStuck({ host: STUCK });
    const alive = createServer((peer) => peer.on('error', () => undefined).pipe(peer)).listen(stuck, ALIVE);
    await once(alive, 'listening');
    onCleanup(() => alive.close());
    const made = watchSockets();
    const server = { host: 'desk.test', port: stuck, lookup: knows(STUCK, ALIVE), connectTimeout: 60 };
    const { port } = await startTunnel({ server });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    // The losing attempt is destroyed; the tunnel uses the other socket.
    const dialled = made.filter((socket) => socket.remotePort === stuck || socket.destroyed);
    expect(dialled.map(({ destroyed }) => destroyed)).toEqual([true, false]);
  });

  test('each address gets a share of a connectTimeout shorter than the delay between two attempts', async () => {
    const { port } = await startStuck({ host: STUCK });
    const alive = createServer((peer) => peer.on('error', () => undefined)).listen(port, ALIVE);
    await once(alive, 'listening');
    onCleanup(() => alive.close());
    const controller = new AbortController();
    const destination = { host: 'desk.test', timeout: 0.02, lookup: knows(STUCK, ALIVE) };
    const socket = await connectToFirst(destination, controller.signal, (host) => connectTcp({ host, port }));
    onCleanup(() => socket.destroy());
    expect(socket.remoteAddress).toBe(ALIVE);
  });

  test('address families alternate, starting with that of the first address', async () => {
    const port = await closedPort();
    const asked: string[] = [];
    const lookup = knows('127.0.0.2', '127.0.0.3', '127.0.0.4', '::1', '::2');
    const attempt = connectToFirst({ host: 'desk.test', timeout: 8, lookup }, never, (address) => {
      asked.push(address);
      return connectTcp({ host: ALIVE, port });
    });
    await expect(attempt).rejects.toMatchObject({ code: 'ECONNREFUSED', errors: { length: 5 } });
    expect(asked).toEqual(['127.0.0.2', '::1', '127.0.0.3', '::2', '127.0.0.4']);
  });

  test('from an IPv4 localAddress only IPv4 addresses are tried', async () => {
    const backend = await startBackend();
    const connection = backend.connection();
    const server = {
      ...{ host: 'desk.test', port: backend.port, localAddress: '127.0.0.9' },
      lookup: knows('::1', DEAD, ALIVE),
    };
    const { port } = await startTunnel({ server });
    await openRaw(port);
    expect((await connection).remoteAddress).toBe('127.0.0.9');
  });

  test('a lookup that returns one address instead of a list is accepted', async () => {
    const { port: backend } = await startEcho();
    const lookup: LookupFunction = (_name, _options, done) => done(null, ALIVE, 4);
    const { port } = await startTunnel({ server: { host: 'desk.test', port: backend, lookup } });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
  });

  test.each([
    ['no address', knows()],
    ['what is no address', knows('desk')],
  ])('a lookup that returns %s fails this request only', async (_what, lookup) => {
    const { port: backend } = await startEcho();
    let answer = lookup;
    const changing: LookupFunction = (...args) => answer(...args);
    const server = { host: 'desk.test', port: backend, lookup: changing, disableTime: 0 };
    const { port, tunnel } = await startTunnel({ server });
    await expect(openRaw(port)).rejects.toThrow();
    expect(tunnel.stats().refused).toEqual({ WSTUNNEL_BACKEND_REFUSED: 1 });
    answer = knows(ALIVE);
    await openRaw(port);
  });

  test('an abort destroys every connection attempt', async () => {
    const { port } = await startStuck({ host: STUCK });
    const controller = new AbortController();
    const made: Socket[] = [];
    const destination = { host: 'desk.test', timeout: 8, lookup: knows(STUCK, STUCK, STUCK) };
    const attempt = connectToFirst(destination, controller.signal, (host) => {
      const socket = connectTcp({ host, port });
      made.push(socket);
      return socket;
    });
    const reason = new Error('the client left');
    await until(() => made.length === 2);
    controller.abort(reason);
    await expect(attempt).rejects.toBe(reason);
    expect(made.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    expect(made.map((socket) => socket.listenerCount('connect') + socket.listenerCount('close'))).toEqual([
      0, 0,
    ]);
  });

  test('TLS starts on the first connection that opened', async () => {
    const { port } = await startStuck({ host: STUCK });
    const secure = createTls(certificate(), (peer) => peer.on('error', () => undefined).pipe(peer)).listen(
      port,
      ALIVE,
    );
    await once(secure, 'listening');
    onCleanup(() => secure.close());
    const tls = { ca: certificate().cert, servername: 'localhost' };
    const server = { host: 'desk.test', port, lookup: knows(STUCK, ALIVE), tls };
    const site = await startTunnel({ server });
    const client = (await openRaw(site.port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
  });
});

describe("issue 12, case 25: the client's connection attempts", () => {
  async function clientEchoes(url: string, options = {}): Promise<void> {
    const stream = connect(url, { proxy: false, ...options });
    onCleanup(() => stream.destroy());
    stream.write('hello');
    const [bytes] = (await once(stream, 'data')) as [Buffer];
    expect(bytes.toString()).toBe('hello');
  }

  /** Forwards a port to a tunnel, so that a second address can have the same port number. */
  async function relayOn(host: string, port: number, to: number): Promise<void> {
    const server = createServer((peer) => {
      const other = connectTcp(to, ALIVE);
      for (const socket of [peer, other]) socket.on('error', () => undefined);
      peer.pipe(other).pipe(peer);
    }).listen(port, host);
    await once(server, 'listening');
    onCleanup(() => server.close());
  }

  test('skip an address of the server that accepts no connection', async () => {
    const { port: stuck } = await startStuck({ host: STUCK });
    await relayOn(ALIVE, stuck, (await startTunnel()).port);
    namesHave(STUCK, ALIVE);
    await clientEchoes(`ws://desk.test:${stuck}/tunnel`);
  });

  test('wait for a slow address although the second address is dead', async () => {
    const { port: stuck } = await startStuck({ host: STUCK, slow: 600 });
    namesHave(STUCK, DEAD);
    const stream = connect(`ws://desk.test:${stuck}/`, { proxy: false });
    onCleanup(() => stream.destroy());
    const [error] = (await once(stream, 'error')) as [{ code: string; message: string }];
    // The slow address was reached: the server echoes the request, and the echo is not an HTTP answer.
    expect(error.code).toBe('WSTUNNEL_NOT_WEBSOCKET');
  });

  test.each(['connect', 'forward'] as const)(
    'skip an address of a proxy that accepts no connection (%s)',
    async (proxyMode) => {
      const { port: site } = await startTunnel();
      const { port: stuck } = await startStuck({ host: STUCK });
      const proxy = createServer((peer) => {
        peer.on('error', () => undefined);
        peer.once('data', (head) => {
          const other = connectTcp(site, ALIVE);
          other.on('error', () => undefined);
          if (proxyMode === 'connect') peer.write('HTTP/1.1 200 OK\r\n\r\n');
          else other.write(head.toString('latin1').replace(/ http:\/\/[^/]*/, ' '));
          peer.pipe(other).pipe(peer);
        });
      });
      proxy.listen(stuck, ALIVE);
      await once(proxy, 'listening');
      onCleanup(() => proxy.close());
      namesHave(STUCK, ALIVE);
      await clientEchoes('ws://site.test/tunnel', { proxy: `http://proxy.test:${stuck}`, proxyMode });
    },
  );

  test('report for each address why the attempt failed', async () => {
    const server = createServer();
    await listen(server);
    const port = portOf(server);
    namesHave(DEAD, '127.0.0.4');
    const stream = connect(`ws://desk.test:${port}/`, { proxy: false });
    const [error] = (await once(stream, 'error')) as [{ code: string; message: string }];
    expect(error).toMatchObject({ code: 'WSTUNNEL_UNREACHABLE' });
    for (const address of [DEAD, '127.0.0.4']) expect(error.message).toContain(address);
  });
});
