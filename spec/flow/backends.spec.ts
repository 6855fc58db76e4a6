import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type {
  BackendInfo,
  BalanceStrategy,
  HostState,
  Target,
  Tunnel,
  TunnelInfo,
  TunnelOptions,
} from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import {
  closeFrame,
  frame,
  openRaw,
  type RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import { closedPort, startBackend, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

const id = (port: number) => `127.0.0.1:${port}`;
const loads = (tunnel: Tunnel) => tunnel.stats().backends.map(({ load }) => load);
const silent = () => undefined;

/** Opens a tunnel and returns the id of the tunnel's backend. */
async function backendOf(tunnel: Tunnel, port: number): Promise<string> {
  const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
  await openRaw(port);
  return (await opened)[0].backend;
}

/** A backend on a port that was free before. */
async function listenOn(port: number): Promise<void> {
  const server = createServer((socket) => socket.on('error', silent).resume());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => server.close());
}

describe('a backend outage', () => {
  test('makes the tunnel try the next host, and leaves the dead one out for disableTime', async () => {
    const dead = await closedPort();
    const { port: alive } = await startEcho();
    const asked: string[][] = [];
    const balance: BalanceStrategy = {
      pick: (hosts) => {
        asked.push(hosts.map((host) => host.id));
        return hosts[0];
      },
    };
    const server = [{ port: dead, disableTime: 60 }, { port: alive }];
    const { port, tunnel } = await startTunnel({ server, balance });
    const events: BackendInfo[] = [];
    tunnel.on('backend', (info) => events.push(info));
    expect(await backendOf(tunnel, port)).toBe(id(alive));
    expect(await backendOf(tunnel, port)).toBe(id(alive));
    expect(asked).toEqual([[id(dead), id(alive)], [id(alive)], [id(alive)]]);
    expect(events).toEqual([
      { id: id(dead), up: false, reason: expect.stringContaining('ECONNREFUSED') as string },
    ]);
    expect(tunnel.stats().backends).toMatchObject([
      { up: false, load: 0 },
      { up: true, load: 2 },
    ]);
  });

  test('of the only host: it is tried every half second despite disableTime, and requests in between get 503', async () => {
    // Only the clock of the pool is faked; Node's timers run on.
    vi.useFakeTimers({ toFake: ['performance'] });
    onCleanup(() => vi.useRealTimers());
    const dead = await closedPort();
    const { port, tunnel } = await startTunnel({ server: { port: dead, disableTime: 5 } });
    const events: BackendInfo[] = [];
    tunnel.on('backend', (info) => events.push(info));
    expect(await statusOf(port)).toBe(502);
    for (let round = 0; round < 3; round++) {
      vi.advanceTimersByTime(499);
      expect([await statusOf(port), await statusOf(port)]).toEqual([503, 503]);
      vi.advanceTimersByTime(1);
      expect([await statusOf(port), await statusOf(port)]).toEqual([502, 503]);
    }
    expect(tunnel.stats().backends).toMatchObject([{ up: false }]);
    await listenOn(dead);
    expect(await statusOf(port)).toBe(503);
    vi.advanceTimersByTime(500);
    expect([await statusOf(port), await statusOf(port)]).toEqual([101, 101]);
    expect(events.map(({ up }) => up)).toEqual([false, true]);
    expect(events[1]).toEqual({ id: id(dead), up: true });
  });

  test('with disableTime 0 leaves no host out', async () => {
    const dead = await closedPort();
    const { port } = await startTunnel({ server: { port: dead, disableTime: 0 } });
    expect([await statusOf(port), await statusOf(port)]).toEqual([502, 502]);
  });

  test('a silent host is left for the next one after connectTimeout', async () => {
    const { port: alive } = await startEcho();
    const stuck = { host: 'desk.test', port: 1, connectTimeout: 0.05, lookup: silent };
    const { port, tunnel } = await startTunnel({ server: [stuck, { port: alive }] });
    expect(await backendOf(tunnel, port)).toBe(id(alive));
    expect(tunnel.stats().backends[0]).toMatchObject({ id: 'desk.test:1', up: false, load: 0 });
  });
});

test('a host that never answers is left out, also where handshakeTimeout is below connectTimeout', async () => {
  const { port: alive } = await startEcho();
  const stuck = { host: 'desk.test', port: 1, lookup: silent, disableTime: 60 };
  const { port, tunnel } = await startTunnel({ server: [stuck, { port: alive }], handshakeTimeout: 0.3 });
  expect([await statusOf(port), await statusOf(port)]).toEqual([504, 101]);
  expect(tunnel.stats().backends).toMatchObject([{ up: false, load: 0 }, { up: true }]);
});

describe('the option server', () => {
  test('accepts the path of a unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-'));
    const socket = join(folder, 'vnc');
    const server = createServer((peer) => peer.on('error', silent).pipe(peer));
    server.listen(socket);
    await once(server, 'listening');
    onCleanup(() => rm(folder, { recursive: true }));
    onCleanup(() => server.close());
    const { port, tunnel } = await startTunnel({ server: { socket } });
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    expect((await opened)[0].backend).toBe(`unix:${socket}`);
  });

  test('a unix socket closed in both directions after its last byte counts as ended, not as failed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-'));
    const socket = join(folder, 'vnc');
    const server = createServer((peer) => peer.on('error', silent).end('bye', () => peer.destroy()));
    server.listen(socket);
    await once(server, 'listening');
    onCleanup(() => rm(folder, { recursive: true }));
    onCleanup(() => server.close());
    const { port } = await startTunnel({ server: { socket } });
    const client = await openRaw(port);
    expect((await client.payload(3)).toString()).toBe('bye');
    expect(await client.close()).toEqual({ code: 1000, reason: 'the backend ended' });
  });

  test('accepts a function that returns a host, a list or a promise of either', async () => {
    const [one, two] = [await startEcho(), await startEcho()];
    let target: Target | Promise<Target>;
    const { port, tunnel } = await startTunnel({ server: () => target });
    target = { port: one.port };
    expect(await backendOf(tunnel, port)).toBe(id(one.port));
    target = Promise.resolve([{ port: two.port }]);
    expect(await backendOf(tunnel, port)).toBe(id(two.port));
    // Each call returns a new object, but the state belongs to the address: `fair` knows the load.
    target = [{ port: one.port }, { port: two.port }];
    await openRaw(port);
    target = [{ port: one.port }, { port: two.port }];
    expect(await backendOf(tunnel, port)).toBe(id(two.port));
    expect(loads(tunnel)).toEqual([2, 2]);
    for (target of [undefined, null as never]) expect(await statusOf(port)).toBe(404);
  });

  test.each([
    ...[
      'desk:5900',
      5900,
      true,
      [],
      {},
      { port: 0 },
      { port: 5900, hots: 'a' },
      [{ port: 1 }, 'x'],
      { '/x': { port: 1 } },
    ],
    ...[
      { port: 30000, connectTimeout: 8000 },
      { port: 5900, proxyProtocol: 3 },
    ],
  ])('a function that returns %o causes a 500', async (target) => {
    const { port, tunnel } = await startTunnel({ server: () => target as Target });
    const refused = once(tunnel, 'refuse') as Promise<[{ code: string; reason: string }]>;
    expect(await statusOf(port)).toBe(500);
    expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED' });
    expect((await refused)[0].reason).toContain('the result of server()');
  });
});

describe('balance', () => {
  test('fair spreads tunnels by load, and counts connection attempts', async () => {
    const ports = [(await startEcho()).port, (await startEcho()).port, (await startEcho()).port];
    const { port, tunnel } = await startTunnel({ server: ports.map((one) => ({ port: one })) });
    await Promise.all(Array.from({ length: 9 }, () => openRaw(port)));
    expect(loads(tunnel)).toEqual([3, 3, 3]);
  });

  test('round-robin alternates and skips dead hosts', async () => {
    const [first, dead, third] = [(await startEcho()).port, await closedPort(), (await startEcho()).port];
    const server = [{ port: first }, { port: dead, disableTime: 60 }, { port: third }];
    const { port, tunnel } = await startTunnel({ server, balance: 'round-robin' });
    const got = [];
    for (let i = 0; i < 5; i++) got.push(await backendOf(tunnel, port));
    expect(got).toEqual([first, third, first, third, first].map(id));
  });

  const strategy = (pick: unknown): BalanceStrategy => ({ pick: pick as BalanceStrategy['pick'] });
  const foreign = { id: 'x:1', host: { port: 1 }, load: 0, up: true, order: 0 };

  test.each<[string, unknown, number]>([
    ['undefined', () => undefined, 503],
    ['a host of nobody', () => foreign, 503],
    ['a copy of a host', (hosts: HostState[]) => ({ ...hosts[0] }), 503],
    ['a promise of nothing', () => Promise.resolve(), 503],
    [
      'a throw',
      () => {
        throw new Error('secret');
      },
      500,
    ],
    ['a rejection', () => Promise.reject(new Error('secret')), 500],
    ['no answer', () => new Promise(silent), 504],
    ['a promise of a host', (hosts: HostState[]) => Promise.resolve(hosts[0]), 101],
  ])('pick gives %s: %s %i', async (_name, pick, status) => {
    const { port, tunnel } = await startTunnel({
      balance: strategy(pick),
      handshakeTimeout: status === 504 ? 0.05 : 30,
    });
    expect(await statusOf(port)).toBe(status);
    await until(() => loads(tunnel)[0] === 0);
  });
});

describe('the load is counted once per tunnel and released once', () => {
  async function counting(server?: Parameters<typeof startTunnel>[0], more = {}) {
    const heard: string[] = [];
    const balance: BalanceStrategy = {
      pick: (hosts) => hosts[0],
      opened: (host) => heard.push(`opened ${host.load}`),
      closed: (host) => heard.push(`closed ${host.load}`),
    };
    return { heard, ...(await startTunnel({ ...server, balance, ...more })) };
  }
  const ONCE = ['opened 1', 'closed 0'];

  test.each<[string, (client: RawClient, tunnel: Tunnel) => unknown]>([
    ['the client closes', (client) => client.send(closeFrame(1000))],
    ['the client ends', (client) => client.socket.end()],
    ['the client resets', (client) => client.socket.resetAndDestroy()],
    ['the client breaks the protocol', (client) => client.send(Buffer.from([0xff, 0xff]))],
    ['the app ends it', (_client, tunnel) => tunnel.end(() => true)],
    ['the tunnel closes', (_client, tunnel) => tunnel.close({ timeout: 0 })],
  ])('%s', async (_name, end) => {
    const { heard, port, tunnel } = await counting();
    const closed = once(tunnel, 'close');
    const client = await openRaw(port);
    expect(loads(tunnel)).toEqual([1]);
    await end(client, tunnel);
    client.socket.end();
    await closed;
    expect(heard).toEqual(ONCE);
    expect(loads(tunnel)).toEqual([0]);
  });

  test.each(['end', 'destroy', 'resetAndDestroy'] as const)(
    'after the end of the backend: %s',
    async (leave) => {
      const backend = await startBackend((socket) => socket.once('data', () => socket[leave]()));
      const { heard, port, tunnel } = await counting({ server: { port: backend.port } });
      const closed = once(tunnel, 'close');
      const client = (await openRaw(port)).send(frame(2, 'x'));
      await client.close();
      client.send(closeFrame(1000)).socket.end();
      await closed;
      expect(heard).toEqual(ONCE);
    },
  );

  test('after the backend refused the connection', async () => {
    const { heard, port } = await counting({ server: { port: await closedPort() } });
    expect(await statusOf(port)).toBe(502);
    expect(heard).toEqual(ONCE);
  });

  test('after the client left, or the time ran out, during the connection attempt', async () => {
    let dialled: (() => void) | undefined;
    const lookup = () => dialled?.();
    const { heard, port, tunnel } = await counting(
      { server: { host: 'desk.test', port: 1, lookup } },
      { handshakeTimeout: 1 },
    );
    const dialling = new Promise<void>((resolve) => (dialled = resolve));
    const client = requestTunnel(port);
    await dialling;
    expect(loads(tunnel)).toEqual([1]);
    client.socket.destroy();
    await until(() => heard.length === 2);
    // A client that leaves proves nothing about the host.
    expect(tunnel.stats().backends).toMatchObject([{ load: 0, up: true }]);
    expect(await statusOf(port)).toBe(504);
    expect(heard).toEqual([...ONCE, ...ONCE]);
    expect(tunnel.stats().backends).toMatchObject([{ load: 0 }]);
  });

  test('after the handshake failed with a connected backend', async () => {
    const fail = () => {
      throw new Error('no');
    };
    const { heard, port, backend } = await counting({}, { subprotocol: fail });
    expect(await statusOf(port)).toBe(500);
    expect(heard).toEqual(ONCE);
    await until(() => backend?.sockets.size === 0);
  });
});

describe('backends within the process', () => {
  /** Echoes the received bytes in upper case. */
  const shouting = () =>
    new Transform({
      transform: (chunk: Buffer, _encoding, done) => done(null, Buffer.from(chunk.toString().toUpperCase())),
    });

  test.each<[string, () => TunnelOptions['server']]>([
    ['connect', () => ({ connect: shouting })],
    ['a promise of connect', () => [{ connect: () => Promise.resolve(shouting()) }]],
    ['server()', () => shouting],
    ['a promise of server()', () => () => Promise.resolve(shouting())],
  ])('%s carries bytes both ways, ends, and counts its load', async (_name, server) => {
    const { port, tunnel } = await startTunnel({ server: server()! });
    const closed = once(tunnel, 'close') as Promise<[{ code: number; bytesIn: number; bytesOut: number }]>;
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('HELLO');
    expect(tunnel.stats().backends).toMatchObject([{ load: 1, up: true }]);
    client.send(closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
    expect((await closed)[0]).toMatchObject({ code: 1000, bytesIn: 5, bytesOut: 5 });
    expect(loads(tunnel)).toEqual([0]);
  });

  test('one stream that ends and one that fails end their tunnels', async () => {
    let stream: Transform;
    const { port } = await startTunnel({ server: () => (stream = shouting()) });
    const first = (await openRaw(port)).send(frame(2, 'a'));
    await first.payload(1);
    stream!.end('last');
    expect((await first.payload(4)).toString()).toBe('LAST');
    expect(await first.close()).toMatchObject({ code: 1000 });
    const second = await openRaw(port);
    stream!.destroy(new Error('broken'));
    expect(await second.close()).toMatchObject({ code: 1011 });
  });

  test('a failed stream of server() leaves no other host out', async () => {
    let works = false;
    const { port } = await startTunnel({ server: () => (works ? shouting() : shouting().destroy()) });
    expect(await statusOf(port)).toBe(502);
    works = true;
    expect(await statusOf(port)).toBe(101);
  });

  test('a `connect` that fails marks its host as down', async () => {
    const fail = () => {
      throw new Error('no desk');
    };
    const { port, tunnel } = await startTunnel({
      server: [{ connect: fail, disableTime: 60 }, { connect: shouting }],
    });
    expect([await statusOf(port), await statusOf(port)]).toEqual([101, 101]);
    const { backends } = tunnel.stats();
    expect(backends.map(({ up }) => up)).toEqual([false, true]);
    expect(new Set(backends.map(({ id: name }) => name)).size).toBe(2);
  });

  test('a stream whose client has left is destroyed', async () => {
    const stream = shouting();
    let give: (stream: Transform) => void;
    const promised = new Promise<Transform>((resolve) => (give = resolve));
    const { port } = await startTunnel({ server: () => promised, handshakeTimeout: 0.1 });
    expect(await statusOf(port)).toBe(504);
    give!(stream);
    await until(() => stream.destroyed);
  });
});
