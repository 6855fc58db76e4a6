import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  listen,
  type ClientError,
  type Listener,
  type ListenOptions,
  type LocalAddress,
  type LocalTunnelEnd,
} from '../../../src/client/index.js';
import { onCleanup } from '../../support/cleanup.js';
import { descriptors, watchComplaints, watchTimers } from '../../support/leftovers.js';
import {
  accepts,
  closedPort,
  listen as listenTcp,
  portOf,
  startHttp,
  startTunnel,
} from '../../support/servers.js';
import { sleep, until } from '../../support/wait.js';
import {
  accepting,
  plain,
  plainClose,
  setProxyEnvironment,
  startByHand,
} from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

const portIn = ({ address }: Listener) => (address as AddressInfo).port;

async function startListener(
  url: string,
  options: ListenOptions = {},
  local: LocalAddress = 0,
): Promise<Listener> {
  const listener = await listen(local, url, options);
  onCleanup(() => listener.close({ timeout: 0 }));
  return listener;
}

/** A local program. */
function dial(listener: Listener): Socket {
  const { address } = listener;
  const socket =
    typeof address === 'string' ? connectTcp(address) : connectTcp(address.port, address.address);
  socket.on('error', () => undefined);
  onCleanup(() => socket.destroy());
  return socket;
}

async function echoed(socket: Socket, text: string): Promise<void> {
  socket.write(text);
  let got = '';
  while (got.length < text.length) got += String(((await once(socket, 'data')) as [Buffer])[0]);
  expect(got).toBe(text);
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));
const ended = (listener: Listener) => once(listener, 'close').then(([end]) => end as LocalTunnelEnd);

describe('a local port of listen()', () => {
  test('listens on loopback and opens a tunnel for each connection', async () => {
    const { url, tunnel } = await startTunnel();
    const listener = await startListener(url);
    expect(listener.address).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    const [one, two] = [dial(listener), dial(listener)];
    await Promise.all([echoed(one, 'one'), echoed(two, 'two!')]);
    expect(tunnel.stats().open).toBe(2);
    expect(listener.stats()).toEqual({ open: 2, opened: 2, failed: 0, bytesIn: 7, bytesOut: 7 });
    const end = ended(listener);
    one.end();
    expect(await end).toMatchObject({ id: 1, bytesIn: 3, bytesOut: 3, code: 1000 });
    await closed(one);
    two.destroy();
    await until(() => tunnel.stats().open === 0);
    expect(listener.stats()).toEqual({ open: 0, opened: 2, failed: 0, bytesIn: 7, bytesOut: 7 });
  });

  test('may be a unix socket that only its owner can use', async () => {
    const { url } = await startTunnel();
    const folder = mkdtempSync(join(tmpdir(), 'wstunnel-client-'));
    onCleanup(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'desk.sock');
    const listener = await startListener(url, {}, path);
    expect(listener.address).toBe(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const local = dial(listener);
    await echoed(local, 'over a unix socket');
    // close() waits for the local socket, and only a reading socket sees the end.
    local.resume();
    await listener.close();
    expect(() => statSync(path)).toThrow();
  });

  test('a unix socket outside of the file system is refused, since other users could connect', async () => {
    const path = `\0wstunnel-client-${process.pid}`;
    await expect(listen(path, 'ws://127.0.0.1/')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    const [error] = (await once(connectTcp({ path }), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  test('a port in use is reported with a separate error code', async () => {
    const { url } = await startTunnel();
    const taken = portIn(await startListener(url));
    await expect(listen(taken, url)).rejects.toMatchObject({ code: 'EADDRINUSE', port: taken });
  });

  test('delivers what the server sent before its end, then ends', async () => {
    const bytes = Buffer.alloc(300_000, 'last words');
    const { url } = await startByHand((peer, head) => {
      peer.send(accepting(head), plain(2, bytes), plainClose(1000));
      peer.socket.end();
    });
    const local = dial(await startListener(url));
    const parts: Buffer[] = [];
    for await (const chunk of local) parts.push(chunk as Buffer);
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test("delivers the server's earlier bytes to a local program that has ended its side", async () => {
    const { url } = await startByHand(async (peer, head) => {
      peer.send(accepting(head));
      expect(String(await peer.payload(8))).toBe('question');
      expect(await peer.close()).toEqual({ code: 1000, reason: '' });
      peer.send(plain(2, 'answer'), plainClose(1000));
      peer.socket.end();
    });
    const local = dial(await startListener(url));
    local.end('question');
    let got = '';
    for await (const chunk of local) got += String(chunk);
    expect(got).toBe('answer');
  });
});

describe('a local port whose server cannot be reached', () => {
  test('waits for the server, and delivers the bytes sent meanwhile', async () => {
    const server = createServer();
    const port = await closedPort();
    const listener = await startListener(`ws://127.0.0.1:${port}/`, { retryDelay: 0.01 });
    const retries: [ClientError, number][] = [];
    listener.on('retry', (...one) => retries.push(one));
    const local = dial(listener);
    local.write('early');
    await until(() => retries.length >= 3);
    for (const [error] of retries) expect(error.code).toBe('WSTUNNEL_UNREACHABLE');
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (head) => {
        socket.write(accepting(head.toString()));
        socket.once('data', () => socket.write(plain(2, 'welcome')));
      });
    });
    server.listen(port, '127.0.0.1');
    onCleanup(() => server.close());
    expect(String(((await once(local, 'data')) as [Buffer])[0])).toBe('welcome');
    local.destroy();
    await listener.close({ timeout: 1 });
  });

  test('waits at most retryFor, then resets the local program', async () => {
    const port = await closedPort();
    const listener = await startListener(`ws://127.0.0.1:${port}/`, { retryFor: 0.1, retryDelay: 0.02 });
    const failed = once(listener, 'fail');
    const local = dial(listener);
    const errors: unknown[] = [];
    local.on('error', ({ code }: NodeJS.ErrnoException) => errors.push(code));
    const [error] = (await failed) as [ClientError];
    expect(error.code).toBe('WSTUNNEL_UNREACHABLE');
    if (!local.closed) await closed(local);
    expect(errors).toEqual(['ECONNRESET']);
    expect(listener.stats()).toMatchObject({ open: 0, opened: 0, failed: 1 });
  });

  test.each([401, 403, 404])('does not retry after an answer of %i', async (status) => {
    let asked = 0;
    const { port } = await startHttp((_, res) => {
      asked++;
      res.writeHead(status).end();
    });
    const listener = await startListener(`ws://127.0.0.1:${port}/`, { retryDelay: 0.001 });
    const failed = once(listener, 'fail');
    dial(listener);
    expect(((await failed) as [ClientError])[0]).toMatchObject({ code: 'WSTUNNEL_REFUSED', status });
    expect(asked).toBe(1);
  });

  test('stops waiting when the local program leaves', async () => {
    const port = await closedPort();
    const listener = await startListener(`ws://127.0.0.1:${port}/`, { retryDelay: 1 });
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const retried = once(listener, 'retry');
      const failed = once(listener, 'fail');
      const local = dial(listener);
      await retried;
      local[leave]();
      expect(((await failed) as [Error])[0].message).toBe(
        'the local program closed the connection before the tunnel was open',
      );
    }
  });
});

describe('the end of listen()', () => {
  test('sends Close 1001 to open tunnels and aborts connection attempts', async () => {
    const complaints = watchComplaints();
    const timers = watchTimers();
    const before = descriptors();
    const { url, tunnel } = await startTunnel();
    const listener = await startListener(url);
    const local = dial(listener);
    await echoed(local, 'x');
    local.resume();
    const silent = await startByHand(() => undefined);
    const other = await startListener(silent.url);
    const failed = once(other, 'fail');
    const waiting = dial(other);
    await until(() => silent.sockets.length === 1);
    const end = ended(listener);
    await Promise.all([listener.close(), other.close()]);
    expect(await end).toMatchObject({ code: 1001 });
    expect(((await failed) as [Error])[0].message).toBe('the listener was closed');
    await until(() => local.readableEnded || local.destroyed);
    expect(await accepts({ port: portIn(listener) })).toBe(false);
    for (const socket of [local, waiting, ...silent.sockets]) socket.destroy();
    await until(() => tunnel.stats().open === 0 && timers() === 0);
    expect(tunnel.stats().closed).toEqual({ 1001: 1 });
    // The test's servers use up to three descriptors.
    await until(() => descriptors() <= before + 3);
    expect(complaints).toEqual([]);
  });

  test('destroys tunnels that do not end within the timeout', async () => {
    const { url, sockets } = await startByHand((peer, head) => peer.send(accepting(head)));
    const listener = await startListener(url);
    const opened = once(listener, 'open');
    const over = once(dial(listener).resume(), 'end');
    await opened;
    await listener.close({ timeout: 0.05 });
    await over;
    await until(() => sockets.every((socket) => socket.readableEnded || socket.destroyed));
  });

  test('ends everything at once after an abort', async () => {
    const controller = new AbortController();
    const { url, tunnel } = await startTunnel();
    const listener = await startListener(url, { signal: controller.signal });
    const local = dial(listener);
    await echoed(local, 'x');
    const end = ended(listener);
    controller.abort();
    await end;
    await until(() => tunnel.stats().open === 0);
    expect(await accepts({ port: portIn(listener) })).toBe(false);
    await expect(listen(0, url, { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

test('a connection above maxTunnels is closed', async () => {
  const { url } = await startTunnel();
  const listener = await startListener(url, { maxTunnels: 1 });
  const one = dial(listener);
  await echoed(one, 'x');
  const failed = once(listener, 'fail');
  const two = dial(listener);
  expect(((await failed) as [Error])[0].message).toBe('the limit of 1 tunnels is reached');
  if (!two.closed) await closed(two);
  const end = ended(listener);
  one.end();
  await end;
  await echoed(dial(listener), 'three');
});

test('local program and server apply backpressure to each other', async () => {
  const sink = createServer((socket) => socket.pause());
  await listenTcp(sink);
  const { url } = await startTunnel({ server: { port: portOf(sink) }, limits: { buffered: 65_536 } });
  const listener = await startListener(url, { buffered: 65_536 });
  const local = dial(listener);
  const block = Buffer.alloc(65_536);
  let still = 0;
  await until(async () => {
    if (local.write(block)) return false;
    await sleep(20);
    return local.writableNeedDrain && ++still > 10;
  });
  const { bytesOut } = listener.stats();
  expect(bytesOut).toBeGreaterThan(65_536);
  expect(local.bytesWritten - local.writableLength).toBeGreaterThan(bytesOut);
});
