// Published failures of lighttpd's mod_wstunnel and of http-proxy-middleware, tested on this tunnel.
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { HookContext, RefuseInfo, TunnelOptions } from '../../src/index.js';
import { watchComplaints, watchDials } from '../support/leftovers.js';
import {
  echoes,
  frame,
  handshake,
  openRaw,
  RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import { startApp, startBackend, startEcho, startTunnel, makeTunnel } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

describe('CVE-2022-37797 (lighttpd): a bad handshake crashes the server', () => {
  const requests: [string, string][] = [
    ['no key', handshake('/tunnel', { 'Sec-WebSocket-Key': undefined })],
    ['an empty key', handshake('/tunnel', { 'Sec-WebSocket-Key': '' })],
    ['two keys', handshake('/tunnel', { 'Sec-WebSocket-Key': ['a', 'b'] })],
    ['no version', handshake('/tunnel', { 'Sec-WebSocket-Version': undefined })],
    ['an old version', handshake('/tunnel', { 'Sec-WebSocket-Version': '8' })],
    ['no Connection', handshake('/tunnel', { Connection: undefined })],
    ['another Connection', handshake('/tunnel', { Connection: 'keep-alive' })],
    ['an empty Upgrade', handshake('/tunnel', { Upgrade: '' })],
    ['other protocols', handshake('/tunnel', { Upgrade: 'h2c, websocket' })],
    [
      'the handshake of 2010',
      handshake('/tunnel', {
        'Sec-WebSocket-Key': undefined,
        'Sec-WebSocket-Key1': '1',
        'Sec-WebSocket-Key2': '2',
      }),
    ],
    ['POST', handshake('/tunnel', {}, 'POST')],
    ['HTTP/1.0', handshake('/tunnel').replace('HTTP/1.1', 'HTTP/1.0')],
    ['a body', handshake('/tunnel', { 'Content-Length': '3' }) + 'abc'],
    ['chunks', handshake('/tunnel', { 'Transfer-Encoding': 'chunked' }) + '0\r\n\r\n'],
    ['no Host', handshake('/tunnel', { Host: undefined })],
    ['an endless subprotocol', handshake('/tunnel', { 'Sec-WebSocket-Protocol': 'x'.repeat(15_000) })],
    ['binary bytes', handshake('/tunnel').replace('websocket', '\x80\xff')],
  ];

  test('CVE-2022-37797: no bad handshake ends the process or disturbs an open tunnel', async () => {
    const complaints = watchComplaints();
    const { port, tunnel, backend } = await startTunnel();
    const open = await openRaw(port);
    for (const [name, request] of requests) {
      for (const bytes of [request, request.slice(0, request.length / 2)]) {
        const client = new RawClient(port).send(Buffer.from(bytes, 'latin1'));
        client.socket.end();
        await client.rest();
        client.socket.destroy();
      }
      await echoes(open, name);
    }
    expect(await statusOf(port)).toBe(101);
    await until(() => tunnel.stats().open === 1 && tunnel.stats().opening === 0);
    await until(() => tunnel.stats().backends[0]?.load === 1 && backend?.sockets.size === 1);
    expect(complaints).toEqual([]);
  });
});

describe('CVE-2022-41556 (lighttpd): a half-closed client occupies a slot forever', () => {
  const CLIENTS = 10;

  test('CVE-2022-41556: a client that half-closes in any phase frees its slot and its connection', async () => {
    const sockets = watchDials();
    const silent = await startBackend();
    const echo = await startEcho();
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const hosts = [{ port: echo.port, maxTunnels: CLIENTS }];
    const { port, tunnel } = await startTunnel({
      server: async ({ url = '' }) => {
        if (url.includes('late')) await opened;
        return url.includes('silent') ? { port: silent.port, maxTunnels: CLIENTS } : hosts;
      },
      closeTimeout: 0.2,
    });
    const halfClose = async (path: string, start: (client: RawClient) => Promise<unknown>) => {
      const clients = Array.from({ length: CLIENTS }, () => requestTunnel(port, path));
      await Promise.all(
        clients.map(async (client) => {
          await start(client);
          client.socket.end();
        }),
      );
      if (path.includes('late')) open();
      await Promise.all(clients.map((client) => client.rest()));
    };
    await halfClose('/tunnel', () => Promise.resolve());
    await halfClose('/tunnel?late', () => sleep(50));
    await halfClose('/tunnel', (client) => client.answer());
    await halfClose('/tunnel?silent', (client) => client.answer());
    await halfClose('/tunnel', async (client) =>
      client.answer().then(() => client.send(frame(2, 'x', { length: 9 }))),
    );
    await until(() => tunnel.stats().open + tunnel.stats().opening === 0);
    expect(tunnel.stats().backends.map(({ load }) => load)).toEqual([0, 0]);
    await until(() => echo.sockets.size === 0 && [...sockets].every((socket) => socket.destroyed));
    // Every slot is free again.
    await Promise.all(Array.from({ length: CLIENTS }, async () => echoes(await openRaw(port))));
  });
});

describe('CVE-2024-21536 (http-proxy-middleware): a rejection ends the process', () => {
  const reject = async (): Promise<never> => {
    await sleep(1);
    throw new Error('from the app');
  };
  const late = (_req: unknown, { signal }: HookContext) => once(signal, 'abort').then(reject);
  const hooks: [string, Partial<TunnelOptions>, number][] = [
    ['server', { server: reject }, 500],
    ['authenticate', { authenticate: reject }, 500],
    ['authenticate after the deadline', { authenticate: late, handshakeTimeout: 0.05 }, 504],
    ['server after the deadline', { server: late, handshakeTimeout: 0.05 }, 504],
    ['origins', { origins: reject }, 500],
    ['balance', { server: [{ port: 1 }, { port: 2 }], balance: { pick: reject } }, 500],
    ['connect', { server: { connect: reject, disableTime: 0 } }, 502],
    ['vnc', { server: { port: 1 }, vnc: reject }, 500],
    ['onRefuse', { deny: ['127.0.0.1'], onRefuse: reject }, 500],
  ];

  test.each(hooks)(
    'CVE-2024-21536: a rejection of %s refuses this request only',
    async (_name, options, status) => {
      const complaints = watchComplaints();
      const { port, tunnel } = await startTunnel(options);
      const refused: RefuseInfo[] = [];
      tunnel.on('refuse', (info) => refused.push(info));
      expect(await statusOf(port)).toBe(status);
      expect(await statusOf(port)).toBe(status);
      await sleep(20);
      expect(complaints.map(String)).toEqual([]);
      expect(refused).toHaveLength(2);
    },
  );

  test('CVE-2024-21536: no request path makes the matching throw', async () => {
    const complaints = watchComplaints();
    const { port: target } = await startEcho();
    const tunnel = makeTunnel({ url: ['/vnc', /^\/desk/], server: { '/vnc': { port: target } } });
    const { port } = await startApp((app) => app.use(tunnel));
    for (const path of [
      '//',
      '//x:x@',
      '//:@/vnc',
      '/%',
      '/%zz',
      '/%E0%A4%A',
      '/\\',
      '/[',
      '/{a,b',
      '*',
      'http://',
      'http://[',
      '/?%',
      '//x:99999/',
    ])
      expect([path, await statusOf(port, path)]).not.toEqual([path, 101]);
    expect(await statusOf(port, '/vnc')).toBe(101);
    expect(complaints).toEqual([]);
  });
});

test('CVE-2026-55602 (http-proxy-middleware): a host or path that only contains a configured one reaches no backend', async () => {
  const { port: target } = await startEcho();
  const hosts = { port: target };
  const tunnel = makeTunnel({
    origins: '*',
    rules: [
      { when: { host: 'admin.example' }, url: '/ops', server: hosts },
      { when: { host: 'maps.example' }, server: { '/ops': hosts, '.vnc': hosts } },
    ],
  });
  const { port } = await startApp((app) => app.use(tunnel).use((_req, res) => res.sendStatus(404)));
  const ask = (Host: string, path: string) => statusOf(port, path, { Host });
  const hit = [await ask('admin.example', '/ops/x'), await ask('ADMIN.example.:80', '/ops')];
  expect([...hit, await ask('maps.example', '/ops'), await ask('maps.example', '/a.vnc')]).toEqual([
    101, 101, 101, 101,
  ]);
  for (const [host, path] of [
    ['admin.example.evil.example', '/ops'],
    ['evil-admin.example', '/ops'],
    ['xadmin.example', '/ops'],
    ['admin.example/ops', '/'],
    ['evil.example/admin.example', '/ops'],
    ['evil.example', '/admin.example/ops'],
    ['evil.example', '/?admin.example/ops'],
    ['admin.example', '/public/ops'],
    ['admin.example', '/opsx'],
    ['admin.example', '/?/ops'],
    ['maps.example', '/x/ops'],
    ['maps.example', '/opsx'],
    ['maps.example', '/a.vnc/x'],
    ['maps.example', '/?x.vnc'],
  ] as const)
    expect([host, path, await ask(host, path)]).toEqual([host, path, expect.toBeOneOf([404, 400])]);
});
