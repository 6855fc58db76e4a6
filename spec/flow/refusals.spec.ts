import type { IncomingMessage, Server } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { RefuseInfo, Tunnel, TunnelOptions } from '../../src/index.js';
import { asksForWebSocket, readHandshake } from '../../src/upgrade/opening-handshake.js';
import { frame, handshake, KEY, RawClient, requestTunnel } from '../support/raw-client.js';
import { closedPort, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

type Headers = Record<string, string | string[] | undefined>;

function refusalsOf(tunnel: Tunnel): RefuseInfo[] {
  const all: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => all.push(info));
  return all;
}

const connections = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));

/** Sends a request that is refused, and checks the properties of every refusal. */
async function refused(
  options: Partial<TunnelOptions>,
  status: number,
  request = handshake('/tunnel?token=secret'),
) {
  const site = await startTunnel(options);
  const events = refusalsOf(site.tunnel);
  const client = new RawClient(site.port).send(request);
  const answer = await client.answer();
  const body = (await client.rest()).toString();
  expect(answer.status, answer.header).toBe(status);
  expect(answer.headers).toMatchObject({
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(body.length),
    'cache-control': 'no-store',
    connection: 'close',
  });
  client.socket.end();
  await client.closed();
  await until(async () => (await connections(site.server)) === 0);
  expect(events).toHaveLength(1);
  const [event] = events;
  expect(event).toMatchObject({ status, url: '/tunnel?token=***' });
  const stats = site.tunnel.stats();
  expect(stats).toMatchObject({ open: 0, opened: 0, refused: { [event!.code]: 1 } });
  for (const { load } of stats.backends) expect(load).toBe(0);
  return { ...site, answer, body, event: event! };
}

const raise = (error: Error): never => {
  throw error;
};
const hang = () => new Promise<never>(() => undefined);

describe('a refusal is one plain answer and one event, and frees the socket', () => {
  test('400 without an Origin where `origins` is a list', async () => {
    const { event, body } = await refused({ origins: ['https://a.b'] }, 400);
    expect(event).toMatchObject({ code: 'WSTUNNEL_ORIGIN_MISSING', address: '127.0.0.1' });
    expect(body).toBe('an Origin header is required\n');
  });

  test('401 without a login', async () => {
    const { event, body } = await refused({ authenticate: () => false }, 401);
    expect(event).toMatchObject({ code: 'WSTUNNEL_NOT_AUTHENTICATED', reason: 'you are not logged in' });
    expect(body).toBe('you are not logged in\n');
  });

  test('403 for the address', async () => {
    const { event } = await refused({ deny: ['127.0.0.0/8'], authenticate: hang }, 403);
    expect(event).toMatchObject({ code: 'WSTUNNEL_ADDRESS_REFUSED', address: '127.0.0.1' });
  });

  test('403 for the origin', async () => {
    const request = handshake('/tunnel?token=secret', { Origin: 'http://evil.example' });
    const { event } = await refused({ authenticate: hang }, 403, request);
    expect(event.code).toBe('WSTUNNEL_ORIGIN_REFUSED');
  });

  test('404 where no target matches', async () => {
    const { event } = await refused({ server: () => undefined }, 404);
    expect(event.code).toBe('WSTUNNEL_NO_TARGET');
  });

  test('426 for another version', async () => {
    const request = handshake('/tunnel?token=secret', { 'Sec-WebSocket-Version': '8' });
    const { event, answer } = await refused({}, 426, request);
    expect(event.code).toBe('WSTUNNEL_WRONG_VERSION');
    expect(answer.headers['sec-websocket-version']).toBe('13');
  });

  test('429 with headers and body of the hook', async () => {
    const answerOf = { status: 429, headers: { 'Retry-After': '7', 'X-Limit': 'desks' }, body: 'slow down' };
    const { event, answer, body } = await refused({ authenticate: () => Promise.resolve(answerOf) }, 429);
    expect(event).toMatchObject({ code: 'WSTUNNEL_NOT_AUTHENTICATED', reason: 'slow down' });
    expect(answer.headers).toMatchObject({ 'retry-after': '7', 'x-limit': 'desks' });
    expect(body).toBe('slow down');
  });

  const hooks = ['authenticate', 'clientAddress', 'origins', 'user', 'server', 'subprotocol'];
  test.each(hooks)('500 where %s throws, and the answer does not contain the error', async (name) => {
    const fails = [() => raise(new Error('secret')), () => Promise.reject(new Error('secret'))];
    for (const fail of fails) {
      const { event, body, answer } = await refused({ [name]: fail }, 500);
      expect(event.code).toBe('WSTUNNEL_HOOK_FAILED');
      expect(body).toBe('The tunnel could not be opened.\n');
      expect(answer.header).not.toContain('secret');
    }
  });

  test.each<[string, object]>([
    ['a status that is none', { status: 200 }],
    ['a header that is none', { status: 403, headers: { 'X-Y': 'a\r\nSet-Cookie: b=c' } }],
    ['a body that is none', { status: 403, body: 7 }],
  ])('500 where the hook answers with %s', async (_name, result) => {
    const { event, answer } = await refused({ authenticate: () => result as never }, 500);
    expect(event.code).toBe('WSTUNNEL_HOOK_FAILED');
    expect(answer.headers).not.toHaveProperty('set-cookie');
  });

  test('502 where the backend refuses', async () => {
    const port = await closedPort();
    const { event, body } = await refused({ server: { port } }, 502);
    expect(event.code).toBe('WSTUNNEL_BACKEND_REFUSED');
    expect(body).toBe('the backend could not be reached\n');
  });

  test('503 where no host is chosen', async () => {
    const { event } = await refused({ balance: { pick: () => undefined } }, 503);
    expect(event.code).toBe('WSTUNNEL_NO_BACKEND');
  });

  test('504 where the backend does not answer', async () => {
    const server = { host: 'desk.test', port: 1, connectTimeout: 0.05, lookup: () => undefined };
    const { event } = await refused({ server }, 504);
    expect(event.code).toBe('WSTUNNEL_BACKEND_TIMEOUT');
  });

  test('504 where a hook does not answer', async () => {
    for (const name of ['authenticate', 'origins', 'server']) {
      const { event } = await refused({ [name]: hang, handshakeTimeout: 0.05 }, 504);
      expect(event.code).toBe('WSTUNNEL_HANDSHAKE_TIMEOUT');
    }
  });

  test('handshakeTimeout covers the whole opening, dialling included', async () => {
    const server = { host: 'desk.test', port: 1, connectTimeout: 60, lookup: () => undefined };
    const { event } = await refused({ server, handshakeTimeout: 0.05 }, 504);
    expect(event.code).toBe('WSTUNNEL_HANDSHAKE_TIMEOUT');
  });
});

describe('a bad handshake', () => {
  const from = (headers: Headers, start?: string) => handshake('/tunnel?token=secret', headers, start);

  test.each<[string, string]>([
    ['POST', from({}, 'POST')],
    ['HTTP/1.0', from({}).replace('HTTP/1.1', 'HTTP/1.0')],
    ['two Hosts', from({ Host: ['127.0.0.1', '127.0.0.1'] })],
    ['an empty Host', from({ Host: '' })],
    ['a Host with a path', from({ Host: 'a/b' })],
    ['a Host with a user', from({ Host: 'me@desk' })],
    ['two Hosts in one', from({ Host: 'a, b' })],
    ['no Connection', from({ Connection: undefined })],
    ['Connection without upgrade', from({ Connection: 'keep-alive' })],
    ['a body', `${from({ 'Content-Length': '5' })}hello`],
    ['a chunked body', `${from({ 'Transfer-Encoding': 'chunked' })}5\r\nhello\r\n0\r\n\r\n`],
    ['no key', from({ 'Sec-WebSocket-Key': undefined })],
    ['a short key', from({ 'Sec-WebSocket-Key': 'c2hvcnQ=' })],
    ['a long key', from({ 'Sec-WebSocket-Key': `AAAA${KEY}` })],
    ['two keys', from({ 'Sec-WebSocket-Key': [KEY, KEY] })],
    ['a key that is not base64', from({ 'Sec-WebSocket-Key': KEY.replace('h', '*') })],
    ['no version', from({ 'Sec-WebSocket-Version': undefined })],
    ['a subprotocol that is no token', from({ 'Sec-WebSocket-Protocol': 'a b' })],
    ['a subprotocol twice', from({ 'Sec-WebSocket-Protocol': 'binary, binary' })],
    ['a subprotocol twice, in two headers', from({ 'Sec-WebSocket-Protocol': ['binary', 'binary'] })],
    ['a subprotocol twice, with a gap between', from({ 'Sec-WebSocket-Protocol': 'a,,a' })],
    ['a gap in a subprotocol', from({ 'Sec-WebSocket-Protocol': 'a,,b c' })],
    ['only gaps in Connection', from({ Connection: ',,' })],
  ])('400: %s', async (_name, request) => {
    const { event, body } = await refused({ authenticate: hang }, 400, request);
    expect(event.code).toBe('WSTUNNEL_BAD_HANDSHAKE');
    expect(body).toMatch(/^bad WebSocket handshake: .+\n$/);
  });

  test.each(['8', '12', '14', '13, 8', '013', '13.0', ['13', '13']])('426: version %s', async (version) => {
    const { event, answer } = await refused(
      { authenticate: hang },
      426,
      from({ 'Sec-WebSocket-Version': version }),
    );
    expect(event.code).toBe('WSTUNNEL_WRONG_VERSION');
    expect(answer.headers['sec-websocket-version']).toBe('13');
  });

  test("400 is Node's answer where Host is missing", async () => {
    const { port, tunnel } = await startTunnel();
    const events = refusalsOf(tunnel);
    const client = new RawClient(port).send(from({ Host: undefined }));
    expect((await client.answer()).status).toBe(400);
    await client.ended();
    expect(events).toEqual([]);
  });

  test('every kind of good handshake opens a tunnel', async () => {
    const { port } = await startTunnel();
    for (const headers of [
      { Connection: 'keep-alive, Upgrade', Upgrade: 'WebSocket' },
      { Host: '[::1]:8080', 'Content-Length': '0' },
      { 'Sec-WebSocket-Protocol': ['a', 'b'] },
      { 'Sec-WebSocket-Protocol': ['', 'b,'] },
    ]) {
      const client = new RawClient(port).send(from(headers), frame(2, 'x'));
      expect((await client.answer()).status).toBe(101);
      expect((await client.payload(1)).toString()).toBe('x');
    }
  });

  test('issue 12, case 24: the subprotocol is one of the offered elements that are not empty', async () => {
    const { port } = await startTunnel();
    for (const [offered, agreed] of [
      ['', undefined],
      [',', undefined],
      [',binary,', 'binary'],
      ['chat,, binary', 'binary'],
      ['chat,,', undefined],
    ] as const) {
      const client = new RawClient(port).send(from({ 'Sec-WebSocket-Protocol': offered }), frame(2, 'x'));
      const { status, headers } = await client.answer();
      expect([status, headers['sec-websocket-protocol']], offered).toEqual([101, agreed]);
      expect((await client.payload(1)).toString()).toBe('x');
    }
  });

  test('issue 12, case 24: long runs of white space and commas are parsed quickly', () => {
    const long = [
      ' '.repeat(200_000),
      ', '.repeat(100_000),
      `a${' \t'.repeat(100_000)}b`,
      `a;${' '.repeat(200_000)}`,
    ];
    for (const text of long)
      for (const name of ['sec-websocket-protocol', 'sec-websocket-extensions', 'connection', 'upgrade']) {
        const headers = { host: 'a', connection: 'upgrade', upgrade: 'websocket', [name]: `${text}x` };
        const req = {
          method: 'GET',
          httpVersionMajor: 1,
          httpVersionMinor: 1,
          headers,
          rawHeaders: ['Host', 'a'],
          socket: {},
        };
        const since = performance.now();
        asksForWebSocket({ headers });
        try {
          readHandshake(req as unknown as IncomingMessage);
        } catch (error) {
          expect(error).toMatchObject({ code: 'WSTUNNEL_BAD_HANDSHAKE' });
        }
        expect(performance.now() - since).toBeLessThan(2000);
      }
  });

  test('a request without a WebSocket upgrade goes to next()', async () => {
    const { port, tunnel } = await startTunnel();
    const events = refusalsOf(tunnel);
    for (const headers of [
      { Upgrade: undefined, Connection: 'close' },
      { Upgrade: 'h2c', Connection: 'close, upgrade' },
    ]) {
      const client = new RawClient(port).send(from(headers));
      expect((await client.answer()).status).toBe(404);
    }
    expect(events).toEqual([]);
  });
});

describe("refuseWith: 'close'", () => {
  test.each<[Partial<TunnelOptions>, number, string]>([
    [{ authenticate: () => false }, 4401, 'you are not logged in'],
    [{ authenticate: () => ({ status: 429, body: 'slow down' }) }, 4429, 'slow down'],
    [{ server: () => undefined }, 4404, 'there is no such tunnel'],
    [{ server: () => Promise.reject(new Error('secret')) }, 4500, 'The tunnel could not be opened.'],
    [{ authenticate: hang, handshakeTimeout: 0.05 }, 4504, 'the tunnel could not be opened in time'],
  ])('with %o closes with %i', async (options, code, reason) => {
    const { port, server, tunnel } = await startTunnel({ ...options, refuseWith: 'close' });
    const events = refusalsOf(tunnel);
    const client = requestTunnel(port, '/tunnel', { 'Sec-WebSocket-Protocol': 'chat, binary' });
    const answer = await client.answer();
    expect(answer.status).toBe(101);
    expect(answer.headers['sec-websocket-protocol']).toBe('binary');
    expect(await client.close()).toEqual({ code, reason });
    client.send(frame(8, Buffer.from([code >> 8, code & 255]))).socket.end();
    await client.closed();
    await until(async () => (await connections(server)) === 0);
    expect(events).toMatchObject([{ status: code - 4000 }]);
    expect(tunnel.stats()).toMatchObject({ open: 0, opened: 0, closed: {} });
  });

  test('sends no subprotocol where none was offered', async () => {
    const { port } = await startTunnel({ authenticate: () => false, refuseWith: 'close' });
    const { status, headers } = await requestTunnel(port).answer();
    expect(status).toBe(101);
    expect(headers).not.toHaveProperty('sec-websocket-protocol');
  });

  test('answers a bad handshake by HTTP all the same', async () => {
    await refused(
      { refuseWith: 'close' },
      400,
      handshake('/tunnel?token=secret', { 'Sec-WebSocket-Key': 'x' }),
    );
    await refused(
      { refuseWith: 'close' },
      426,
      handshake('/tunnel?token=secret', { 'Sec-WebSocket-Version': '8' }),
    );
  });
});
