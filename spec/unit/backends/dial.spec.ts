import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type LookupFunction, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { dial } from '../../../src/backends/dial.js';
import type { ResolvedHost } from '../../../src/backends/host.js';
import type { Host } from '../../../src/index.js';
import { PooledReads } from '../../../src/streams/pooled-reads.js';
import { readHosts } from '../../../src/options/read-hosts.js';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, startBackend } from '../../support/servers.js';
import { until } from '../../support/wait.js';

const resolved = (host: Host): ResolvedHost => readHosts(host, 'server')[0]!;
const never = new AbortController().signal;

async function dialled(host: Host, signal = never): Promise<Socket> {
  const socket = (await dial(resolved(host), signal)) as Socket;
  onCleanup(() => socket.destroy());
  return socket;
}

/** A lookup function with the same addresses for every name. */
const knows =
  (...addresses: string[]): LookupFunction =>
  (_name, options, done) => {
    const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    if (options.all === true) done(null, all);
    else done(null, all[0]!.address, all[0]!.family);
  };

describe('dial() with a backend that listens', () => {
  test('returns a paused socket, so that early bytes are kept for the relay', async () => {
    const banner = 'RFB 003.008\n';
    const backend = await startBackend((socket) => socket.end(banner));
    const connection = backend.connection();
    const socket = await dialled({ port: backend.port });
    expect(socket.isPaused()).toBe(true);
    expect(socket.listenerCount('error')).toBe(1);
    const chunks: Buffer[] = [];
    const sender = await connection;
    await until(() => sender.writableFinished);
    PooledReads.of(socket)!.start((bytes) => chunks.push(Buffer.from(bytes)), 65_536);
    socket.resume();
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toBe(banner);
    // The socket is half-closed: bytes of the client can still be written.
    expect(socket.writable).toBe(true);
  });

  test('leaves no listener on the socket or the signal', async () => {
    const { port } = await startBackend();
    const controller = new AbortController();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onCleanup(() => vi.useRealTimers());
    const socket = await dialled({ port }, controller.signal);
    expect(vi.getTimerCount()).toBe(0);
    controller.abort(new Error('late'));
    expect(socket.listenerCount('connect')).toBe(0);
    expect(socket.destroyed).toBe(false);
  });

  test('connects to 127.0.0.1 by default', async () => {
    const { port } = await startBackend();
    expect((await dialled({ port })).remoteAddress).toBe('127.0.0.1');
    expect((await dialled({ host: 'localhost', port })).remotePort).toBe(port);
  });

  test('connects from localAddress', async () => {
    const backend = await startBackend();
    const connection = backend.connection();
    await dialled({ port: backend.port, localAddress: '127.0.0.2' });
    expect((await connection).remoteAddress).toBe('127.0.0.2');
  });

  test('connects to a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-'));
    const path = join(folder, 'vnc');
    const server = createServer((socket) => socket.end('hello'));
    onCleanup(() => rm(folder, { recursive: true }));
    onCleanup(() => new Promise((resolve) => server.close(resolve)));
    server.listen(path);
    await once(server, 'listening');
    const socket = await dialled({ socket: path });
    const heard = new Promise<string>((resolve) =>
      PooledReads.of(socket)?.start((bytes) => resolve(bytes.toString()), 65_536),
    );
    socket.resume();
    expect(await heard).toBe('hello');
    socket.end();
  });

  test("uses a name's second address if the first is dead", async () => {
    const { port } = await startBackend();
    for (const dead of ['127.0.0.2', '::1']) {
      const socket = await dialled({ host: 'desk.test', port, lookup: knows(dead, '127.0.0.1') });
      expect(socket.remoteAddress).toBe('127.0.0.1');
    }
  });
});

describe('dial() with a backend that cannot be reached', () => {
  const failure = (host: Host, signal = never) =>
    dial(resolved(host), signal).then(
      () => undefined,
      (error: unknown) => error,
    );

  test('fails with 502 if the backend refuses, and the answer does not contain the cause', async () => {
    const error = await failure({ port: await closedPort() });
    expect(error).toMatchObject({
      code: 'WSTUNNEL_BACKEND_REFUSED',
      status: 502,
      body: 'the backend could not be reached\n',
      cause: { message: expect.stringContaining('ECONNREFUSED') as string },
    });
  });

  test('fails with the causes of all addresses if all refuse', async () => {
    const port = await closedPort();
    const error = await failure({ host: 'desk.test', port, lookup: knows('127.0.0.2', '127.0.0.3') });
    expect(error).toMatchObject({ status: 502 });
    const { message } = (error as { cause: Error }).cause;
    for (const address of ['127.0.0.2', '127.0.0.3']) expect(message).toContain(address);
  });

  test('fails with 502 if the name is unknown', async () => {
    const lookup: LookupFunction = (_name, _options, done) => done(new Error('no such name'), '');
    expect(await failure({ host: 'desk.test', port: 1, lookup })).toMatchObject({
      status: 502,
      cause: { message: 'no such name' },
    });
  });

  test('fails with 502 if the unix socket is missing', async () => {
    expect(await failure({ socket: '/nowhere/vnc' })).toMatchObject({ status: 502 });
  });

  test('fails with 504 after connectTimeout, and a late answer opens nothing', async () => {
    const backend = await startBackend();
    let late: (() => void) | undefined;
    const lookup: LookupFunction = (_name, options, done) => {
      late = () => knows('127.0.0.1')('', options, done);
    };
    const host = { host: 'desk.test', port: backend.port, lookup };
    expect(await failure({ ...host, connectTimeout: 0.05 })).toMatchObject({
      code: 'WSTUNNEL_BACKEND_TIMEOUT',
      status: 504,
    });
    const accepted: (number | undefined)[] = [];
    backend.server.on('connection', (socket: Socket) => accepted.push(socket.remotePort));
    late?.();
    // A connection opened by the late answer would be accepted before the next connection.
    const { localPort } = await dialled({ port: backend.port });
    await until(() => accepted.includes(localPort));
    expect(accepted).toEqual([localPort]);
  });

  test('fails with the reason of a signal that aborts before or during the attempt', async () => {
    const reason = new Error('gone');
    const { port } = await startBackend();
    expect(await failure({ port }, AbortSignal.abort(reason))).toBe(reason);
    const controller = new AbortController();
    const lookup: LookupFunction = () => controller.abort(reason);
    expect(await failure({ host: 'desk.test', port, lookup }, controller.signal)).toBe(reason);
  });
});
