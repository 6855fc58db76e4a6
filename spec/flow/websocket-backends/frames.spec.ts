import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer, type RawData, type ServerOptions } from 'ws';
import type { ClosedInfo, Host, Tunnel, TunnelOptions } from '../../../src/index.js';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, listen, portOf, startTunnel } from '../../support/servers.js';
import { connectHttp2, openOverHttp2, startHttp2Tunnel } from '../../support/http2.js';
import { describeWith } from '../../support/programs.js';
import { closeFrame, frame, handshake, openRaw, RawClient } from '../../support/raw-client.js';
import { deferred, until } from '../../support/wait.js';
import { accepting, plain, startByHand } from '../../support/websocket-server.js';

/** A real WebSocket server that returns each message. `messages`: the messages of all connections. */
async function startWs(options: Partial<ServerOptions> = {}) {
  const http = createServer();
  const server = new WebSocketServer({ server: http, ...options });
  const messages: { readonly data: Buffer; readonly isBinary: boolean }[] = [];
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => {
      messages.push({ data, isBinary });
      socket.send(data, { binary: isBinary });
    });
  });
  await listen(http);
  onCleanup(() => {
    for (const one of server.clients) one.terminate();
  });
  return { server, messages, url: `ws://127.0.0.1:${portOf(http)}/` };
}

async function startPair(
  options: Partial<ServerOptions> = {},
  host: Host = {},
  rules: Partial<TunnelOptions> = {},
) {
  const backend = await startWs(options);
  const started = await startTunnel({ server: { url: backend.url, ...host }, ...rules });
  return { ...started, backend };
}

async function connected(url: string, ...rest: [protocols?: string[], options?: object]): Promise<WebSocket> {
  const client = new WebSocket(url, rest[0] ?? [], rest[1]);
  onCleanup(() => client.terminate());
  await once(client, 'open');
  return client;
}

/** Sends messages, and resolves to what has come back. */
async function echoed(client: WebSocket, ...sent: (string | Buffer)[]) {
  const got: (string | Buffer)[] = [];
  const all = deferred();
  client.on('message', (data: RawData, isBinary) => {
    got.push(isBinary ? (data as Buffer) : (data as Buffer).toString());
    if (got.length === sent.length) all.resolve();
  });
  for (const one of sent) client.send(one);
  await all.promise;
  return got;
}

function closing(tunnel: Tunnel): Promise<ClosedInfo> {
  return once(tunnel, 'close').then(([info]) => info as ClosedInfo);
}

describe('messages', () => {
  test('keep their boundaries and types in both directions', async () => {
    const { url, backend } = await startPair();
    const client = await connected(url, [], { perMessageDeflate: false });
    const sent = ['one', Buffer.from('two'), '', 'drei ü', Buffer.alloc(0), Buffer.alloc(300_000, 7), 'end'];
    expect(await echoed(client, ...sent)).toEqual(sent);
    expect(backend.messages.map(({ isBinary }) => isBinary)).toEqual([
      false,
      true,
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  test('pass compressed by permessage-deflate', async () => {
    const { url, backend, tunnel } = await startPair({ perMessageDeflate: { threshold: 0 } });
    const client = await connected(url, [], { perMessageDeflate: { threshold: 0 } });
    expect(client.extensions).toContain('permessage-deflate');
    const text = 'the same again '.repeat(20_000);
    expect(await echoed(client, text, text)).toEqual([text, text]);
    expect(backend.messages.map(({ data }) => data.length)).toEqual([text.length, text.length]);
    expect(tunnel.stats().open).toBe(1);
    client.close(1000);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().bytesIn).toBeLessThan(text.length);
  });

  test('in fragments reach the backend as the same fragments', async () => {
    const seen: (readonly [number, boolean])[] = [];
    const backend = await startByHand(async (peer, head) => {
      peer.send(accepting(head));
      for (let next = await peer.frame(); next; next = await peer.frame()) {
        seen.push([next.opcode, next.final]);
        peer.send(plain(next.opcode, next.payload, next.final));
      }
    });
    const { port } = await startTunnel({ server: { url: backend.url } });
    const client = await openRaw(port);
    client.send(
      frame(1, 'a', { final: false }),
      frame(0, 'b', { final: false }),
      frame(9, 'p'),
      frame(0, 'c'),
    );
    const got = [await client.frame(), await client.frame(), await client.frame(), await client.frame()];
    expect(got.map((one) => [one?.opcode, one?.final, one?.payload.toString()])).toEqual([
      [1, false, 'a'],
      [0, false, 'b'],
      [9, true, 'p'],
      [0, true, 'c'],
    ]);
    expect(seen).toEqual([
      [1, false],
      [0, false],
      [9, true],
      [0, true],
    ]);
  });

  test('that come with the 101 response reach the client', async () => {
    const backend = await startByHand((peer, head) =>
      peer.send(
        Buffer.concat([Buffer.from(accepting(head)), plain(1, 'hello'), plain(1, 'x'.repeat(90_000))]),
      ),
    );
    const { port } = await startTunnel({ server: { url: backend.url } });
    const client = await openRaw(port);
    expect((await client.frame())?.payload.toString()).toBe('hello');
    expect((await client.frame())?.payload.length).toBe(90_000);
  });

  test('that the client sends with its request reach the backend', async () => {
    const { port, backend } = await startPair();
    const client = new RawClient(port).send(handshake('/tunnel'), frame(1, 'early'));
    expect((await client.answer()).status).toBe(101);
    expect((await client.frame())?.payload.toString()).toBe('early');
    expect(backend.messages).toHaveLength(1);
  });
});

describe('closes', () => {
  test.each([
    [1000, 'bye'],
    [4001, 'own'],
    [1011, ''],
  ])('%i of the client reaches the backend with its reason', async (code, reason) => {
    const { url, backend, tunnel } = await startPair();
    const closed = closing(tunnel);
    const client = await connected(url);
    const [peer] = [...backend.server.clients];
    const seen = once(peer!, 'close');
    client.close(code, reason);
    const [gotCode, gotReason] = (await seen) as [number, Buffer];
    expect([gotCode, String(gotReason)]).toEqual([code, reason]);
    expect(await closed).toMatchObject({ cause: 'client-closed', code, reason });
  });

  test.each([
    [1000, 'bye'],
    [4001, 'own'],
    [1013, 'later'],
  ])('%i of the backend reaches the client with its reason', async (code, reason) => {
    const { url, backend, tunnel } = await startPair();
    const closed = closing(tunnel);
    const client = await connected(url);
    const seen = once(client, 'close');
    for (const peer of backend.server.clients) peer.close(code, reason);
    const [gotCode, gotReason] = (await seen) as [number, Buffer];
    expect([gotCode, String(gotReason)]).toEqual([code, reason]);
    expect(await closed).toMatchObject({ code, reason });
  });

  test('by end() reach both sides, and no byte of the client passes afterwards', async () => {
    const { url, backend, tunnel } = await startPair();
    const client = await connected(url);
    await echoed(client, 'before');
    const [peer] = [...backend.server.clients];
    const both = Promise.all([once(client, 'close'), once(peer!, 'close')]);
    expect(tunnel.end(() => true, 4400, 'out')).toBe(1);
    client.send('after');
    const [[code, reason]] = (await both) as [[number, Buffer], [number]];
    expect([code, String(reason)]).toEqual([4400, 'out']);
    expect(backend.messages.map(({ data }) => data.toString())).toEqual(['before']);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().backends[0]).toMatchObject({ load: 0 });
  });

  test('of a backend that is lost without a Close are 1011', async () => {
    const { url, backend } = await startPair();
    const client = await connected(url);
    const seen = once(client, 'close');
    for (const peer of backend.server.clients) peer.terminate();
    expect((await seen)[0]).toBe(1011);
  });
});

describe('the pool', () => {
  test('counts tunnels, and refuses above maxTunnels', async () => {
    const { url, port, tunnel } = await startPair({}, { maxTunnels: 1 });
    const client = await connected(url);
    expect(tunnel.stats().backends).toMatchObject([{ load: 1, host: { maxTunnels: 1 } }]);
    const second = new WebSocket(`ws://127.0.0.1:${port}/tunnel`);
    const [, answer] = (await once(second, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(answer.statusCode).toBe(503);
    client.close();
    await until(() => tunnel.stats().open === 0);
    await connected(url);
  });

  test('uses the next backend while one is down', async () => {
    const backend = await startWs();
    const { url, tunnel } = await startTunnel({
      server: [{ url: `ws://127.0.0.1:${await closedPort()}/` }, { url: backend.url }],
    });
    expect(await echoed(await connected(url), 'hi')).toEqual(['hi']);
    expect(tunnel.stats().backends).toMatchObject([{ up: false }, { up: true, load: 1 }]);
  });

  test('has backends of both kinds side by side, chosen by a function', async () => {
    const backend = await startWs();
    const { url } = await startTunnel({
      server: (req) => ({ url: `${backend.url}?user=ann`, headers: { Cookie: req.headers.cookie } }),
    });
    expect(await echoed(await connected(url), 'hi')).toEqual(['hi']);
  });

  test('ends a tunnel whose backend is silent for readTimeout', async () => {
    const { url } = await startPair({}, { readTimeout: 0.2 });
    const client = await connected(url);
    expect((await once(client, 'close'))[0]).toBe(1011);
  });
});

describe('the subprotocol', () => {
  test('of the backend is the one that the client gets', async () => {
    const { url } = await startPair({ handleProtocols: () => 'tty' });
    const client = await connected(url, ['chat', 'tty']);
    expect(client.protocol).toBe('tty');
    expect(await echoed(client, 'hi')).toEqual(['hi']);
  });
});

describeWith('openssl')('a client over HTTP/2', () => {
  test('reaches a backend over HTTP/1.1, and closes arrive both ways', async () => {
    const backend = await startWs({ handleProtocols: () => 'tty' });
    const asked: Record<string, unknown>[] = [];
    backend.server.on('headers', (_, { headers }) => asked.push(headers));
    const { port } = await startHttp2Tunnel({ server: { url: backend.url } });
    const client = await openOverHttp2(await connectHttp2(port), '/tunnel', {
      'sec-websocket-protocol': 'tty',
      'sec-websocket-extensions': 'permessage-deflate',
      cookie: 'sid=secret',
    });
    expect(client.headers['sec-websocket-protocol']).toBe('tty');
    expect(asked[0]).toMatchObject({ host: `localhost:${port}`, 'x-forwarded-proto': 'https' });
    expect(asked[0]).not.toHaveProperty('cookie');
    expect(Object.keys(asked[0] ?? {}).filter((name) => name.startsWith(':'))).toEqual([]);
    client.send(frame(1, 'text'));
    expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('text') });
    client.send(closeFrame(4002, 'bye'));
    expect(await client.close()).toEqual({ code: 4002, reason: 'bye' });
  });
});
