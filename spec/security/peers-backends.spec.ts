// Reports of users of comparable programs about clients, addresses, backends and time, tested on this tunnel.
import { mkdir } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.js';
import type { ClosedInfo, Tunnel, TunnelInfo } from '../../src/index.js';
import { readOptions } from '../../src/options/read-tunnel.js';
import { wstunnel } from '../../src/wstunnel.js';
import { socketTokens, tokenServer } from '../../src/tokens/index.js';
import { certificate } from '../support/certificate.js';
import { files } from '../support/command.js';
import { closeFrame, echoes, frame, openRaw, statusOf } from '../support/raw-client.js';
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

const closesOf = (tunnel: Tunnel) => {
  const all: ClosedInfo[] = [];
  tunnel.on('close', (info) => all.push(info));
  return all;
};

test('websockify 170, noVNC 658: PINGs are sent by default, well within the 60 seconds of usual proxies', () => {
  const { pingInterval } = readOptions({ server: { port: 1 } }).base;
  expect(pingInterval).toBeGreaterThan(0);
  expect(pingInterval).toBeLessThanOrEqual(30);
});

test('websockify 456, crossws 201: a client that vanishes without a Close frees its backend', async () => {
  const { port, tunnel, backend } = await startTunnel({ pingInterval: 0.1, pongTimeout: 0.1 });
  const closes = closesOf(tunnel);
  await openRaw(port);
  await until(() => closes.length === 1 && backend?.sockets.size === 0);
  expect(closes).toMatchObject([{ cause: 'client-silent', code: 1006 }]);
});

test('websockify 630, erebe/wstunnel 111: the backend gets the address of the client', async () => {
  const backend = await startBackend();
  const { port } = await startTunnel({ server: { port: backend.port, proxyProtocol: 1 } });
  const client = await openRaw(port);
  await until(() => backend.received().includes('\r\n'));
  const { localPort = 0 } = client.socket;
  expect(backend.received().toString()).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${port}\r\n`);
});

test('websockify 3, 290: one tunnel serves many targets, and each request gets the one that the app chooses', async () => {
  const backends = await Promise.all(
    Array.from({ length: 5 }, (_, i) => startBackend((socket) => socket.end(`desk ${i}`))),
  );
  const ports = new Map(backends.map(({ port }, i) => [`/${i}`, port]));
  const { port } = await startTunnel({
    server: ({ url = '' }) => {
      const found = ports.get(url);
      return found === undefined ? undefined : { port: found };
    },
  });
  const shown = async (i: number) => (await openRaw(port, `/tunnel/${i}`)).payload(6);
  const texts = await Promise.all([4, 0, 2, 1, 3, 2].map(shown));
  expect(texts.map(String)).toEqual([4, 0, 2, 1, 3, 2].map((i) => `desk ${i}`));
  for (const path of ['/tunnel/5', `/tunnel/127.0.0.1:${backends[0]?.port ?? 0}`, '/tunnel'])
    expect([path, await statusOf(port, path)]).toEqual([path, 404]);
});

test('noVNC 967, 1232, 1397, 1228: the token may be in the query, a cookie, the path or a subprotocol', async () => {
  const { port: target } = await startEcho();
  const source = (token: string) => (token === 'secret' ? { target: { port: target } } : undefined);
  for (const [from, path, headers] of [
    ['query', '/tunnel?token=secret', {}],
    ['cookie', '/tunnel', { Cookie: 'token=secret' }],
    ['path', '/tunnel/secret', {}],
    ['subprotocol', '/tunnel', { 'Sec-WebSocket-Protocol': 'token.secret' }],
  ] as const) {
    const { port } = await startTunnel({ server: tokenServer(source, { from }) });
    await echoes(await openRaw(port, path, headers));
    expect([from, await statusOf(port, '/tunnel')]).toEqual([from, 404]);
  }
});

test('ws 113: a client that does not read stops its backend, and nothing grows', async () => {
  const LIMIT = 65_536;
  const CHUNK = Buffer.alloc(16_384);
  let accepted = 0;
  const { port: target } = await startBackend((socket) => {
    const write = () => {
      while (!socket.destroyed && socket.write(CHUNK)) accepted += CHUNK.length;
      accepted += CHUNK.length;
    };
    socket.on('drain', write);
    write();
  });
  const { port } = await startTunnel({ server: { port: target }, limits: { buffered: LIMIT } });
  const client = await openRaw(port);
  client.socket.pause();
  // Until the buffers of the kernel and the queue are full.
  let before = -1;
  await until(async () => {
    before = accepted;
    await sleep(300);
    return accepted === before && accepted > LIMIT;
  });
  client.socket.resume();
  await until(() => accepted > before + 1_000_000);
});

describe('websockify 334: the address of a client behind a proxy', () => {
  const addressIn = async (trust: unknown) => {
    const { port: target } = await startEcho();
    const tunnel = makeTunnel({ server: { port: target } });
    const { port } = await startApp((app) => app.set('trust proxy', trust).use('/tunnel', tunnel));
    const opened: TunnelInfo[] = [];
    tunnel.on('open', (info) => opened.push(info));
    await openRaw(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.7, 192.0.2.7' });
    await until(() => opened.length === 1);
    return opened[0]?.address;
  };

  test('websockify 334: an event has the address that a trusted proxy reports, and no other', async () => {
    expect(await addressIn('loopback')).toBe('192.0.2.7');
    expect(await addressIn(false)).toBe('127.0.0.1');
    expect(await addressIn('192.0.2.1')).toBe('127.0.0.1');
  });
});

test('X-Forwarded-For and ::ffff: do not bypass an address list', async () => {
  const denied = await startTunnel({ deny: ['::ffff:127.0.0.1'] });
  expect(await statusOf(denied.port)).toBe(403);
  const { port } = await startTunnel({ allow: ['192.0.2.0/24'] });
  for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '192.0.2.7, 127.0.0.1'])
    for (const name of ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'True-Client-IP', 'CF-Connecting-IP'])
      expect([name, await statusOf(port, '/tunnel', { [name]: address })]).toEqual([name, 403]);
});

test('erebe/wstunnel 244: a changed secret applies from the next request on, without a restart', async () => {
  let secret = 'old';
  const authenticate = (req: { headers: Record<string, unknown> }) =>
    Promise.resolve(req.headers['x-key'] === secret);
  const { port } = await startTunnel({ authenticate });
  const ask = () => statusOf(port, '/tunnel', { 'X-Key': 'old' });
  expect(await ask()).toBe(101);
  secret = 'new';
  expect(await ask()).toBe(401);
});

test('websockify 366, 506: the certificate of a TLS backend is checked, and a private CA can be given', async () => {
  const { key, cert } = certificate();
  const server = createTls({ key, cert }, (socket) => socket.pipe(socket));
  server.on('tlsClientError', () => undefined);
  await listen(server);
  const host = { host: 'localhost', port: portOf(server) };
  expect(await statusOf((await startTunnel({ server: { ...host, tls: true } })).port)).toBe(502);
  await echoes(await openRaw((await startTunnel({ server: { ...host, tls: { ca: cert } } })).port));
});

describe('kubevirt 7041: a second viewer takes the session of the first', () => {
  const start = async (onFull: 'refuse' | 'takeover') => {
    const { port: target } = await startEcho();
    const user = (req: { headers: Record<string, unknown> }) => String(req.headers['x-user']);
    return startTunnel({ server: { port: target, maxTunnels: 1, onFull }, user });
  };

  test('kubevirt 7041: another user gets no slot of a full backend, whatever onFull is', async () => {
    for (const onFull of ['refuse', 'takeover'] as const) {
      const { port } = await start(onFull);
      const first = await openRaw(port, '/tunnel', { 'X-User': 'ann' });
      expect(await statusOf(port, '/tunnel', { 'X-User': 'bob' })).toBe(503);
      await echoes(first);
    }
  });
});

test('ttyd 1301, TurboVNC 131: a tunnel without input ends, and so does a tunnel that is open too long', async () => {
  for (const [options, cause] of [
    [{ idleTimeout: 0.1 }, 'idle'],
    [{ maxDuration: 0.1 }, 'max-duration'],
  ] as const) {
    const { port, tunnel } = await startTunnel(options);
    const closes = closesOf(tunnel);
    const client = await openRaw(port);
    expect(await client.close()).toMatchObject({ code: 1001 });
    client.send(closeFrame(1001));
    await until(() => closes.length === 1);
    expect(closes[0]?.cause).toBe(cause);
  }
});

test("websockify's UnixDomainSocketDirectory: a token with .. reaches no socket outside the folder", async () => {
  const { folder = '' } = await files({});
  await mkdir(join(folder, 'in'));
  const serve = (text: string) => createServer((socket: Socket) => socket.end(text));
  await listen(serve('inside'), join(folder, 'in', 'desk'));
  const secret = serve('secret');
  await listen(secret, join(folder, 'secret'));
  let reached = 0;
  secret.on('connection', () => reached++);
  const { port } = await startTunnel({ server: tokenServer(socketTokens(join(folder, 'in'))) });
  expect((await (await openRaw(port, '/tunnel?token=desk')).payload(6)).toString()).toBe('inside');
  for (const token of [
    '../secret',
    '..%2Fsecret',
    '%2e%2e/secret',
    'x/../../secret',
    `${folder}/secret`,
    '..\\secret',
    'desk/../../secret',
  ])
    expect([token, await statusOf(port, `/tunnel?token=${token}`)]).toEqual([token, 404]);
  expect(reached).toBe(0);
});

/** The code of the error for options; undefined if they are accepted. */
function codeOf(options: unknown): string | undefined {
  try {
    wstunnel(options as never);
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('websockify 644: options that would silently drop a guard are refused at the start', async () => {
  const server = { port: 1 };
  for (const options of [
    { server, authentication: () => true },
    { server, authenticate: 'basic' },
    { server, authenticate: undefined, auth: {} },
    { server, allow: [] },
    { server, limits: { perUser: -1 } },
    { server, refuseWith: 'close', onRefuse: () => undefined },
    { server: () => undefined, tickets: 'required' },
    { server, origins: [] },
  ])
    expect([JSON.stringify(options), codeOf(options)]).toEqual([JSON.stringify(options), 'WSTUNNEL_OPTION']);
  // A list of addresses that every client could bypass refuses every client.
  const tunnel = makeTunnel({ server: { port: (await startEcho()).port }, deny: ['192.0.2.1'] });
  const { port } = await startApp((app) => app.set('trust proxy', true).use('/tunnel', tunnel));
  expect(await statusOf(port, '/tunnel', { 'X-Forwarded-For': '203.0.113.1' })).toBe(500);
});

describe('http-proxy-agent sends no CONNECT', () => {
  test('http-proxy-agent: a proxy in forward mode, which would read everything, is refused for wss:', () => {
    expect(() =>
      connect('wss://desk.example/', { proxy: 'http://127.0.0.1:1', proxyMode: 'forward' } as never),
    ).toThrow(/forward/);
  });

  test('http-proxy-agent, chisel 149: by default the client sends a proxy CONNECT with credentials', async () => {
    const proxy = await startBackend((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 407 No\r\n\r\n')),
    );
    const stream = connect('ws://desk.example/x', { proxy: `http://ann:pw@127.0.0.1:${proxy.port}` });
    stream.on('error', () => undefined);
    await until(() => proxy.received().includes('\r\n\r\n'));
    const [start, ...lines] = proxy.received().toString().split('\r\n');
    expect(start).toBe('CONNECT desk.example:80 HTTP/1.1');
    expect(lines).toContain(`Proxy-Authorization: Basic ${Buffer.from('ann:pw').toString('base64')}`);
    stream.destroy();
  });
});

test('ws 1707: data after the end of either side is discarded, and the tunnel ends once', async () => {
  const { port, tunnel, backend } = await startTunnel();
  const closes = closesOf(tunnel);
  const client = await openRaw(port);
  client.send(frame(2, 'before'), closeFrame(1000), frame(2, 'after'));
  expect(await client.close()).toMatchObject({ code: 1000 });
  client.socket.destroy();
  await until(() => closes.length > 0 && backend?.sockets.size === 0);
  expect(backend?.received().toString()).toBe('before');
  expect(closes).toHaveLength(1);
});
