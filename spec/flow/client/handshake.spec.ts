import { once } from 'node:events';
import { createServer } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type ClientError, type ConnectOptions } from '../../../src/client/index.js';
import { certificate, makeCertificate } from '../../support/certificate.js';
import { closedPort, listen, portOf, startHttp } from '../../support/servers.js';
import { descriptors, watchComplaints, watchTimers } from '../../support/leftovers.js';
import { until } from '../../support/wait.js';
import {
  accepting,
  failed,
  KEY_OF,
  setProxyEnvironment,
  startByHand,
} from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

/** The error of a failed handshake; also checks that no timer or socket remains. */
async function refusal(url: string, options: ConnectOptions = {}): Promise<ClientError> {
  const timers = watchTimers();
  const complaints = watchComplaints();
  const stream = connect(url, options);
  const closed = new Promise((resolve) => stream.once('close', resolve));
  const error = await failed(stream);
  await closed;
  await until(() => timers() === 0);
  expect(complaints).toEqual([]);
  return error;
}

/** The request as the server receives it. */
async function asked(options: ConnectOptions = {}, path = '/a/b?token=c%20d'): Promise<string> {
  let request = '';
  const { port } = await startByHand((peer, head) => {
    request = head;
    peer.send('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
  });
  await refusal(`ws://127.0.0.1:${port}${path}`, options);
  return request.replace(String(port), 'PORT');
}

describe("the client's upgrade request (RFC 6455 section 4.1)", () => {
  test('is an HTTP/1.1 GET with a fresh key and without extensions', async () => {
    const [one, two] = [await asked(), await asked()];
    const [, key = ''] = KEY_OF.exec(one) ?? [];
    expect(Buffer.from(key, 'base64')).toHaveLength(16);
    expect(KEY_OF.exec(two)?.[1]).not.toBe(key);
    expect(one.replace(key, 'KEY').split('\r\n').filter(Boolean)).toEqual([
      'GET /a/b?token=c%20d HTTP/1.1',
      ...['host: 127.0.0.1:PORT', 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'],
      'sec-websocket-protocol: binary',
      'sec-websocket-key: KEY',
    ]);
  });

  test('carries the headers, cookies and credentials of the options', async () => {
    const headers = { 'X-One': 'two', 'X-List': ['a', 'b'] };
    const request = await asked({
      ...{
        headers,
        cookies: { sid: 's%3A1', theme: 'dark' },
        bearer: 'abc.def-_=',
        origin: 'https://a.example',
      },
      subprotocol: ['binary', 'base64'],
    });
    expect(request).toContain('x-one: two\r\nx-list: a\r\nx-list: b\r\n');
    expect(request).toContain('cookie: sid=s%3A1; theme=dark\r\n');
    expect(request).toContain('authorization: Bearer abc.def-_=\r\n');
    expect(request).toContain('origin: https://a.example\r\n');
    expect(request).toContain('sec-websocket-protocol: binary, base64\r\n');
  });

  test('reads Basic credentials from an option or from the URL', async () => {
    const basic = `authorization: Basic ${Buffer.from('ann:p@ß:w').toString('base64')}`;
    expect(await asked({ basic: { username: 'ann', password: 'p@ß:w' } })).toContain(basic);
    let request = '';
    const { port } = await startByHand((peer, head) => {
      request = head;
      peer.socket.end();
    });
    await refusal(`ws://ann:p%40%C3%9F%3Aw@127.0.0.1:${port}/`);
    expect(request).toContain(basic);
  });

  test('opens one connection at a time to a host', async () => {
    const answers: (() => void)[] = [];
    let most = 0;
    const { url, sockets } = await startByHand((peer, head) =>
      answers.push(() => peer.send(accepting(head))),
    );
    const streams = Array.from({ length: 4 }, () => connect(url));
    const opened = Promise.all(streams.map((stream) => once(stream, 'connect')));
    for (let i = 0; i < 4; i++) {
      await until(() => answers.length === 1);
      most = Math.max(most, sockets.length - i);
      answers.pop()?.();
    }
    await opened;
    expect(most).toBe(1);
    for (const stream of streams) stream.destroy();
  });

  test('a queued connection that is aborted does not delay the others', async () => {
    const { url } = await startByHand((peer, head) => {
      if (head.includes('good')) peer.send(accepting(head));
    });
    const stalled = connect(url);
    const waiting = connect(url);
    const last = connect(`${url}?good`);
    waiting.destroy();
    stalled.destroy();
    await once(last, 'connect');
    last.destroy();
  });
});

describe("the server's answer to the client (RFC 6455 section 4.1)", () => {
  const wrong: [string, (head: string) => string, ConnectOptions?][] = [
    ['Upgrade', (head) => accepting(head, { Upgrade: 'h2c' })],
    ['101 that has no Upgrade', (head) => accepting(head, { Upgrade: undefined })],
    ['101 that has no Upgrade', (head) => accepting(head, { Connection: undefined })],
    ['101 that has no Upgrade', (head) => accepting(head, { Connection: 'keep-alive' })],
    ['Sec-WebSocket-Accept', (head) => accepting(head, { 'Sec-WebSocket-Accept': undefined })],
    ['Sec-WebSocket-Accept', () => accepting('', {})],
    ['extension', (head) => accepting(head, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })],
    ['subprotocol', (head) => accepting(head, { 'Sec-WebSocket-Protocol': 'base64' })],
    [
      'subprotocol',
      (head) => accepting(head, { 'Sec-WebSocket-Protocol': 'a, b' }),
      { subprotocol: ['a', 'b'] },
    ],
    ['HTTP/1.1', (head) => accepting(head).replace('HTTP/1.1', 'HTTP/1.0')],
  ];
  test.each(wrong)('is refused for its %s', async (why, answer, options = {}) => {
    const { url, sockets } = await startByHand((peer, head) => peer.send(answer(head)));
    const error = await refusal(url, options);
    expect(error).toMatchObject({ name: 'ClientError', code: 'WSTUNNEL_NOT_WEBSOCKET', again: false });
    expect(error.message).toMatch(new RegExp(why.replace('101 that', 'the 101 response')));
    await until(() => sockets.every((socket) => socket.readableEnded || socket.destroyed));
  });

  test('may use any case in names and tokens, and white space', async () => {
    const { url } = await startByHand((peer, head) =>
      peer.send(accepting(head, { Upgrade: 'WebSocket', Connection: 'keep-alive ,  UPGRADE' })),
    );
    const stream = connect(url);
    await once(stream, 'connect');
    stream.destroy();
  });

  test('may choose one of the offered subprotocols', async () => {
    const { url } = await startByHand((peer, head) =>
      peer.send(accepting(head, { 'Sec-WebSocket-Protocol': 'b' })),
    );
    const stream = connect(url, { subprotocol: ['a', 'b'] });
    await once(stream, 'connect');
    expect(stream.subprotocol).toBe('b');
    expect(await asked({ subprotocol: [] })).not.toMatch(/sec-websocket-protocol/);
    stream.destroy();
  });

  test('may come in pieces, after other 1xx answers, with the first frame in the same packet', async () => {
    const { url } = await startByHand(async (peer, head) => {
      const all = `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${accepting(head)}\x82\x05hello`;
      peer.socket.setNoDelay(true);
      for (const byte of Buffer.from(all, 'latin1')) {
        peer.send(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const stream = connect(url);
    await once(stream, 'readable');
    const bytes = stream.read() as Buffer;
    expect('hello'.startsWith(bytes.toString())).toBe(true);
    stream.destroy();
  });
});

describe('an answer other than 101', () => {
  test('is an error with status, headers and the start of the body', async () => {
    const { port } = await startHttp((_, res) => {
      res.writeHead(401, 'Who are you', { 'WWW-Authenticate': 'Basic realm="desk"', 'Set-Cookie': 'a=b' });
      res.end('x'.repeat(5000));
    });
    const error = await refusal(`ws://ann:secret@127.0.0.1:${port}/vnc?token=secret`);
    expect(error).toMatchObject({
      code: 'WSTUNNEL_REFUSED',
      status: 401,
      body: 'x'.repeat(1024),
      again: false,
    });
    expect(error.headers).toEqual({ 'www-authenticate': 'Basic realm="desk"' });
    expect(error.message).toBe(`ws://***@127.0.0.1:${port}/vnc?token=*** was refused: 401 Who are you`);
  });

  test('a redirect is not followed, and the error names its target', async () => {
    const { port } = await startHttp((_, res) => {
      res.writeHead(302, { Location: 'https://login.example/?next=secret' });
      res.end();
    });
    const error = await refusal(`ws://127.0.0.1:${port}/`);
    expect(error.message).toMatch(
      /302 Found; it redirects to https:\/\/login\.example\/\?next=\*\*\*, and redirects are not followed$/,
    );
    expect(error.headers.location).toBe('https://login.example/?next=secret');
  });

  test.each([429, 502, 503, 504])('status %d is marked as temporary', async (status) => {
    const { port } = await startHttp((_, res) => res.writeHead(status).end());
    expect(await refusal(`ws://127.0.0.1:${port}/`)).toMatchObject({ status, again: true });
  });

  test('a server without WebSocket support answers 200, which is an error', async () => {
    const { port } = await startHttp((_, res) => res.end('<h1>It works!</h1>'));
    expect(await refusal(`ws://127.0.0.1:${port}/`)).toMatchObject({
      ...{ code: 'WSTUNNEL_REFUSED', status: 200, body: '<h1>It works!</h1>' },
    });
  });

  test('an endless body is not awaited', async () => {
    const { url, sockets } = await startByHand((peer) =>
      peer.send('HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nbegun'),
    );
    expect(await refusal(url)).toMatchObject({ status: 500, body: 'begun' });
    await until(() => sockets[0]?.readableEnded === true || sockets[0]?.destroyed === true);
  });

  test('a truncated body does not change the error', async () => {
    const { url } = await startByHand((peer) => {
      peer.send('HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nbegun');
      peer.socket.end();
    });
    expect(await refusal(url)).toMatchObject({ status: 500, body: 'begun' });
  });
});

describe('a server that gives no HTTP answer', () => {
  test.each(['RFB 003.008\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\x15\x03\x01\x00\x02\x02\x46'])(
    'answers %j, which is not HTTP',
    async (banner) => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.write(Buffer.from(banner, 'latin1'));
      });
      await listen(server);
      const error = await refusal(`ws://127.0.0.1:${portOf(server)}/`);
      expect(error).toMatchObject({ code: 'WSTUNNEL_NOT_WEBSOCKET' });
      expect(error.message).toMatch(/does not answer in HTTP$/);
    },
  );

  test('hangs up before its answer', async () => {
    const { url, port } = await startByHand((peer) => peer.socket.end());
    const error = await refusal(url);
    expect(error).toMatchObject({ code: 'WSTUNNEL_UNREACHABLE', again: true });
    expect(error.message).toBe(`127.0.0.1:${port} closed the connection without an answer`);
  });

  test('does not listen', async () => {
    const port = await closedPort();
    const error = await refusal(`ws://127.0.0.1:${port}/`);
    expect(error).toMatchObject({ code: 'WSTUNNEL_UNREACHABLE', again: true });
    expect(error.message).toBe(
      `127.0.0.1:${port} could not be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test('has a name that cannot be resolved', async () => {
    const error = await refusal('ws://desk.invalid/');
    expect(error).toMatchObject({ code: 'WSTUNNEL_UNREACHABLE' });
    expect(error.message).toMatch(
      /^desk\.invalid:80 could not be reached: getaddrinfo (ENOTFOUND|EAI_AGAIN)/,
    );
  });

  test('sends nothing until connectTimeout', async () => {
    const { url, sockets } = await startByHand(() => undefined);
    const before = descriptors();
    const error = await refusal(url, { connectTimeout: 0.05 });
    expect(error).toMatchObject({ code: 'WSTUNNEL_CONNECT_TIMEOUT', again: true });
    await until(() => sockets.every((socket) => socket.readableEnded || socket.destroyed));
    for (const socket of sockets) socket.destroy();
    await until(() => descriptors() <= before);
  });

  test('is not awaited after an abort', async () => {
    const { url, sockets } = await startByHand(() => undefined);
    const controller = new AbortController();
    const stream = connect(url, { signal: controller.signal });
    await until(() => sockets.length === 1);
    const error = failed(stream);
    controller.abort();
    expect(await error).toMatchObject({ name: 'AbortError' });
    await until(() => sockets.every((socket) => socket.readableEnded || socket.destroyed));
    expect(await refusal(url, { signal: controller.signal })).toMatchObject({ name: 'AbortError' });
  });
});

describe('TLS', () => {
  const { cert: ca } = certificate();

  test("the server's certificate must be trusted", async () => {
    const { url } = await startByHand((peer, head) => peer.send(accepting(head)), { tls: certificate() });
    const error = await refusal(url);
    expect(error).toMatchObject({ code: 'WSTUNNEL_TLS', again: false });
    expect(error.message).toMatch(/^TLS with 127\.0\.0\.1:\d+ failed: .*self-signed/);
    for (const tls of [{ ca }, { rejectUnauthorized: false }]) {
      const stream = connect(url, { tls });
      await once(stream, 'connect');
      stream.destroy();
    }
  });

  test("the server's certificate must name the host", async () => {
    const { url } = await startByHand(() => undefined, { tls: certificate() });
    const error = await refusal(url, { tls: { ca, servername: 'desk.example' } });
    expect(error).toMatchObject({ code: 'WSTUNNEL_TLS' });
    expect(error.message).toMatch(/does not match certificate's altnames/);
  });

  test("the server's certificate must not have expired", async () => {
    const old = makeCertificate({ expired: true });
    const { url } = await startByHand(() => undefined, { tls: old });
    const error = await refusal(url, { tls: { ca: old.cert } });
    expect(error).toMatchObject({ code: 'WSTUNNEL_TLS' });
    expect(error.message).toMatch(/certificate has expired$/);
  });

  test('a server without TLS is an error for wss:', async () => {
    const { port } = await startHttp((_, res) => res.end());
    const error = await refusal(`wss://127.0.0.1:${port}/`);
    expect(error).toMatchObject({ code: 'WSTUNNEL_TLS' });
    expect(error.message).toBe(
      `127.0.0.1:${port} does not speak TLS: use a ws: URL, or a port that serves https`,
    );
  });
});
