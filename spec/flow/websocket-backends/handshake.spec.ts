import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Host, RefuseInfo, Tunnel, TunnelOptions } from '../../../src/index.js';
import {
  pageStatus,
  statusOf,
  requestTunnel,
  type RawAnswer,
  type RawClient,
  type RawHeaders,
} from '../../support/raw-client.js';
import { makeTunnel, startApp, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { accepting, startByHand, type ByHand } from '../../support/websocket-server.js';

/** Starts a backend that answers with these bytes, and a tunnel to it. */
async function startPair(
  answer: (asked: string) => string | Buffer | undefined,
  host: Host = {},
  options: Partial<TunnelOptions> = {},
) {
  const asked: string[] = [];
  const backend = await startByHand((peer, head) => {
    asked.push(head);
    const bytes = answer(head);
    if (bytes !== undefined) peer.send(bytes);
  });
  const started = await startTunnel({ server: { url: backend.url, ...host }, ...options });
  return { ...started, asked, backend };
}

async function answerOf(port: number, headers: RawHeaders = {}): Promise<RawAnswer & { client: RawClient }> {
  const client = requestTunnel(port, '/tunnel', headers);
  return { ...(await client.answer()), client };
}

/** The headers of a request, by lower-case name; of several lines with one name, a list with a comma. */
function headersOf(asked: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of (asked ?? '').trimEnd().split('\r\n').slice(1)) {
    const [name = '', ...value] = line.split(': ');
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value.join(': ') : `${headers[key]}, ${value.join(': ')}`;
  }
  return headers;
}

function refusalOf(tunnel: Tunnel): Promise<RefuseInfo> {
  return once(tunnel, 'refuse').then(([info]) => info as RefuseInfo);
}

async function leavesNothing(tunnel: Tunnel, backend: ByHand): Promise<void> {
  await until(() => backend.sockets.every((socket) => socket.destroyed || socket.readableEnded));
  expect(tunnel.stats()).toMatchObject({ open: 0, opening: 0 });
  expect(tunnel.stats().backends.every(({ load }) => load === 0)).toBe(true);
}

describe('the request to the backend', () => {
  test("never leaves the path in front of the client's path", async () => {
    const paths: (string | undefined)[] = [];
    const backend = await startByHand((peer, head) => {
      paths.push(head.split(' ')[1]);
      peer.send(accepting(head));
    });
    const { port } = await startTunnel({
      server: (req) => ({ url: backend.url.replace('/x', `/user/ann${req.url}`) }),
    });
    for (const path of ['/../bob', '/../../user/bob', '/%2e%2e/bob', '/.%2E/bob', '/\\..\\bob', '/..'])
      expect(await statusOf(port, `/tunnel${path}`), path).toBe(500);
    expect(paths).toEqual([]);
    for (const path of ['/a/..;/b', '/a%2f..%2fb', '/...', '/.a?x=/../y'])
      expect(await statusOf(port, `/tunnel${path}`), path).toBe(101);
    expect(paths.every((path) => path?.startsWith('/user/ann/'))).toBe(true);
  });

  test('is the handshake of the client at the path and query of the URL', async () => {
    const asked: string[] = [];
    const backend = await startByHand((peer, head) => {
      asked.push(head);
      peer.send(accepting(head));
    });
    const url = `ws://127.0.0.1:${backend.port}/a b?token=x`;
    const { tunnel, port } = await startTunnel({ server: { url } });
    await answerOf(port, {
      Host: 'localhost:80',
      Origin: 'http://localhost',
      'Sec-WebSocket-Protocol': ['tty, chat', 'more'],
      'User-Agent': 'x',
    });
    expect(asked[0]).toMatch(/^GET \/a%20b\?token=x HTTP\/1.1\r\n/);
    expect(headersOf(asked[0])).toEqual({
      host: 'localhost:80',
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': 'tty, chat, more',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'localhost:80',
      origin: 'http://localhost',
      'user-agent': 'x',
    });
    expect(tunnel.stats().backends[0]?.id).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/a%20b$/);
    expect(JSON.stringify(tunnel.stats())).not.toContain('token=x');
  });

  test('has no header of the connection, of the login, or of proxies in front', async () => {
    const { port, asked } = await startPair((head) => accepting(head));
    const { status } = await answerOf(port, {
      Connection: 'Upgrade, X-Hop, keep-alive',
      'X-Hop': '1',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authorization': 'Basic x',
      'Proxy-Connection': 'keep-alive',
      TE: 'trailers',
      Trailer: 'X-T',
      'Content-Length': '0',
      'HTTP2-Settings': 'AAMAAABk',
      Cookie: 'sid=secret',
      Authorization: 'Bearer secret',
      Forwarded: 'for=1.2.3.4',
      'X-Forwarded-For': '1.2.3.4',
      'X-Forwarded-Port': '1',
      X_Forwarded_Host: 'evil',
      'X-Real-IP': '1.2.3.4',
      'X-Kept': ['yes', 'twice'],
      Constructor: 'x',
    });
    expect(status).toBe(101);
    expect(Object.keys(headersOf(asked[0])).sort()).toEqual([
      ...[
        'connection',
        'constructor',
        'host',
        'sec-websocket-key',
        'sec-websocket-version',
        'upgrade',
        'x-forwarded-for',
      ],
      ...['x-forwarded-host', 'x-forwarded-proto', 'x-kept'],
    ]);
    expect(headersOf(asked[0])).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      connection: 'Upgrade',
      'x-kept': 'yes, twice',
    });
    expect(asked[0]).not.toContain('secret');
  });

  test('has the headers of the host in place of the headers of the client', async () => {
    const headers = {
      Host: 'inner',
      'X-User': 'ann',
      Cookie: 'a=b',
      Origin: 'http://inner',
      'X-Role': undefined,
    };
    const { port, asked } = await startPair((head) => accepting(head), { headers });
    await answerOf(port, {
      'x-user': 'root',
      'x-role': 'root',
      x_user: 'root',
      Origin: 'http://127.0.0.1',
      Cookie: 'sid=secret',
    });
    expect(headersOf(asked[0])).toMatchObject({
      host: 'inner',
      'x-user': 'ann',
      cookie: 'a=b',
      origin: 'http://inner',
    });
    expect(asked[0]).not.toMatch(/root|secret|x-role/i);
  });

  test('names client, scheme and host as trusted proxies gave them', async () => {
    const asked: string[] = [];
    const backend = await startByHand((peer, head) => {
      asked.push(head);
      peer.send(accepting(head));
    });
    const { port } = await startApp((app) => {
      app.set('trust proxy', 'loopback');
      app.use('/tunnel', makeTunnel({ server: { url: backend.url } }));
    });
    await answerOf(port, {
      'X-Forwarded-For': '192.0.2.7',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'desk.example',
    });
    expect(headersOf(asked[0])).toMatchObject({
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'desk.example',
    });
  });
});

describe('the 101 response', () => {
  test("has the backend's choice and the accept for the client's key", async () => {
    const extension = 'permessage-deflate; client_no_context_takeover';
    const { port } = await startPair((head) =>
      accepting(head, {
        'Sec-WebSocket-Protocol': 'tty',
        'Sec-WebSocket-Extensions': extension,
        'Set-Cookie': 'a=b',
      }),
    );
    const { status, headers } = await answerOf(port, {
      'Sec-WebSocket-Protocol': 'chat, tty',
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits, x-other',
    });
    expect(status).toBe(101);
    expect(headers).toMatchObject({
      'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
      'sec-websocket-protocol': 'tty',
      'sec-websocket-extensions': extension,
    });
    expect(headers).not.toHaveProperty('set-cookie');
  });

  test('has no subprotocol if the backend chose none, whatever the rule says', async () => {
    const { port } = await startPair((head) => accepting(head), {}, { subprotocol: () => 'chat' });
    const { headers } = await answerOf(port, { 'Sec-WebSocket-Protocol': 'chat, binary' });
    expect(headers).not.toHaveProperty('sec-websocket-protocol');
  });

  test("has the rule's subprotocol if the host offers its own to the backend", async () => {
    const { port, asked } = await startPair(
      (head) => accepting(head, { 'Sec-WebSocket-Protocol': 'plain.kubevirt.io' }),
      { subprotocol: ['plain.kubevirt.io', 'other'] },
    );
    const { status, headers } = await answerOf(port, { 'Sec-WebSocket-Protocol': 'chat, binary' });
    expect(status).toBe(101);
    expect(headers).toMatchObject({ 'sec-websocket-protocol': 'binary' });
    expect(headersOf(asked[0])).toMatchObject({ 'sec-websocket-protocol': 'plain.kubevirt.io, other' });
  });

  test('comes after responses with 1xx', async () => {
    const { port } = await startPair(
      (head) => `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${accepting(head)}`,
    );
    expect((await answerOf(port)).status).toBe(101);
  });
});

describe("the backend's refusal", () => {
  test.each([401, 403, 404, 409, 429])('with %i reaches the client with this status', async (status) => {
    const { port, tunnel, backend } = await startPair(
      () =>
        `HTTP/1.1 ${status} No\r\nRetry-After: 7\r\nWWW-Authenticate: Basic\r\nX-Inner: 1\r\nContent-Length: 4\r\n\r\nbody`,
    );
    const refusal = refusalOf(tunnel);
    const answer = await answerOf(port);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({ 'retry-after': '7', 'www-authenticate': 'Basic' });
    expect(answer.headers).not.toHaveProperty('x-inner');
    expect(await refusal).toMatchObject({ status, code: 'WSTUNNEL_BACKEND_ANSWERED' });
    expect(tunnel.stats().backends[0]).toMatchObject({ up: true });
    await leavesNothing(tunnel, backend);
  });

  test('is 502 without passStatus, and no outage', async () => {
    const { port, tunnel, backend } = await startPair(() => 'HTTP/1.1 403 No\r\n\r\n', { passStatus: false });
    for (let round = 0; round < 4; round++) expect((await answerOf(port)).status).toBe(502);
    expect(tunnel.stats().backends[0]).toMatchObject({ up: true });
    await leavesNothing(tunnel, backend);
  });

  test('with a redirect, an error of the request or a page is 502, and no outage', async () => {
    for (const line of ['302 Found\r\nLocation: /login?secret=1', '400 Bad Request', '200 OK', '500 Oops']) {
      const { port, tunnel, backend } = await startPair(() => `HTTP/1.1 ${line}\r\n\r\n`);
      expect((await answerOf(port)).status).toBe(502);
      expect(tunnel.stats().backends[0]).toMatchObject({ up: true });
      await leavesNothing(tunnel, backend);
    }
  });

  test('with 503 is an outage, and the next host serves the request', async () => {
    const down = await startByHand((peer) => peer.send('HTTP/1.1 503 Full\r\n\r\n'));
    const up = await startByHand((peer, head) => peer.send(accepting(head)));
    const { port, tunnel } = await startTunnel({
      server: [{ url: down.url, disableTime: 60 }, { url: up.url }],
    });
    expect((await answerOf(port)).status).toBe(101);
    expect(tunnel.stats().backends).toMatchObject([
      { up: false, load: 0 },
      { up: true, load: 1 },
    ]);
  });

  test('with a page makes the next host serve the request, without an outage', async () => {
    const page = await startByHand((peer) => peer.send('HTTP/1.1 200 OK\r\n\r\n'));
    const up = await startByHand((peer, head) => peer.send(accepting(head)));
    const { port, tunnel } = await startTunnel({ server: [{ url: page.url }, { url: up.url }] });
    expect((await answerOf(port)).status).toBe(101);
    expect(tunnel.stats().backends).toMatchObject([
      { up: true, load: 0 },
      { up: true, load: 1 },
    ]);
  });
});

test.each(['400 Bad Request', '302 Found', '403 Forbidden'])(
  "the backend's %s is about the request: no other host is asked",
  async (line) => {
    const asked: string[] = [];
    const backends = [1, 2].map(() =>
      startByHand((peer, head) => {
        asked.push(head);
        peer.send(`HTTP/1.1 ${line}\r\n\r\n`);
      }),
    );
    const hosts = (await Promise.all(backends)).map(({ url }) => ({ url }));
    const { port } = await startTunnel({ server: hosts });
    expect((await answerOf(port)).status).toBe(line.startsWith('403') ? 403 : 502);
    expect(asked).toHaveLength(1);
  },
);

describe('an invalid answer of the backend is 502', () => {
  test.each<[string, (head: string) => string | Buffer]>([
    ['a wrong accept', (head) => accepting(head, { 'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo' })],
    ['no accept', (head) => accepting(head, { 'Sec-WebSocket-Accept': undefined })],
    ['a subprotocol that was not offered', (head) => accepting(head, { 'Sec-WebSocket-Protocol': 'other' })],
    ['two subprotocols', (head) => accepting(head, { 'Sec-WebSocket-Protocol': 'tty, chat' })],
    [
      'an extension that was not offered',
      (head) => accepting(head, { 'Sec-WebSocket-Extensions': 'x-gzip' }),
    ],
    [
      'a malformed extension',
      (head) => accepting(head, { 'Sec-WebSocket-Extensions': 'permessage-deflate; a b' }),
    ],
    ['another protocol', (head) => accepting(head, { Upgrade: 'h2c' })],
    ['no Upgrade', (head) => accepting(head, { Upgrade: undefined })],
    ['no Connection', (head) => accepting(head, { Connection: undefined })],
    ['garbage', () => 'SSH-2.0-OpenSSH_9.2p1\r\n'],
    ['a head without end', () => `HTTP/1.1 101 S\r\n${'X-A: 0123456789\r\n'.repeat(5000)}`],
    ['1xx without end', () => 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)],
    ['a refusal with an endless body', () => `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(1_000_000)}`],
    ['bytes of TLS', () => Buffer.from('15030100020228', 'hex')],
  ])('%s', async (_, answer) => {
    const { port, tunnel, backend } = await startPair(answer);
    const refusal = refusalOf(tunnel);
    const { status } = await answerOf(port, {
      'Sec-WebSocket-Protocol': 'chat, tty',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
    });
    expect(status).toBe(502);
    expect(await refusal).toMatchObject({ code: 'WSTUNNEL_BACKEND_REFUSED' });
    await leavesNothing(tunnel, backend);
  });

  test('an end within the head', async () => {
    const backend = await startByHand((peer) => peer.socket.end('HTTP/1.1 101 Switching Pro'));
    const { port, tunnel } = await startTunnel({ server: { url: backend.url } });
    expect((await answerOf(port)).status).toBe(502);
    await leavesNothing(tunnel, backend);
  });

  test('an end without an answer', async () => {
    const backend = await startByHand((peer) => peer.socket.end());
    const { port, tunnel } = await startTunnel({ server: { url: backend.url } });
    expect((await answerOf(port)).status).toBe(502);
    await leavesNothing(tunnel, backend);
    // No outage: a client could cause it by its request.
    expect(tunnel.stats().backends).toMatchObject([{ up: true }]);
    expect((await answerOf(port)).status).toBe(502);
    expect(backend.sockets).toHaveLength(2);
  });
});

test('issue 18: no request without a login reaches the backend, and its pages go to the next handler', async () => {
  const asked: string[] = [];
  const backend = await startByHand((peer, head) => {
    asked.push(head);
    peer.send(accepting(head));
  });
  const { port } = await startApp((app) => {
    app.use('/tty', (req, res, next) => {
      if (req.headers.cookie === 'sid=1') next();
      else res.status(401).end();
    });
    app.use('/tty', makeTunnel({ server: (req) => ({ url: `${backend.url}${req.url}` }) }));
    app.use('/tty', (_, res) => res.send('a page'));
  });
  expect(await statusOf(port, '/tty/ws?a=1')).toBe(401);
  expect(asked).toEqual([]);
  expect(await statusOf(port, '/tty/ws?a=1', { Cookie: 'sid=1' })).toBe(101);
  expect(asked[0]).toMatch(/^GET \/x\/ws\?a=1 HTTP/);
  expect(asked[0]).not.toContain('sid=1');
  expect(await pageStatus(port, '/tty/', { Cookie: 'sid=1' })).toBe(200);
});

test('a backend that never answers is 504 after connectTimeout', async () => {
  const { port, tunnel, backend } = await startPair(() => undefined, { connectTimeout: 0.1 });
  expect((await answerOf(port)).status).toBe(504);
  await leavesNothing(tunnel, backend);
});

test('a client that leaves during the handshake frees the connection to the backend', async () => {
  const { port, tunnel, backend, asked } = await startPair(() => undefined);
  const client = requestTunnel(port);
  await until(() => asked.length === 1);
  client.socket.destroy();
  await leavesNothing(tunnel, backend);
  expect(tunnel.stats().backends[0]).toMatchObject({ up: true });
});
