import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import express, { type Express, type RequestHandler, type Response } from 'express';
import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import {
  closeFrame,
  echoes,
  frame,
  handshake,
  openRaw,
  RawClient,
  requestTunnel,
} from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho } from '../support/servers.js';
import { deferred, until } from '../support/wait.js';

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** A site with watched sockets: no input may leave listeners, timers or load on the server. */
async function start(
  build: (app: Express) => RequestHandler[] = () => [],
  options: Partial<TunnelOptions> = {},
) {
  const { port: backend, sockets: backends } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend }, closeTimeout: 2, ...options });
  const { server, port } = await startApp((app) => {
    app.get('/plain', (_req, res) => res.send('plain'));
    app.use('/tunnel', ...build(app), tunnel);
  });
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  const ordinary = new RawClient(port).send(GET('/plain'));
  await ordinary.answer();
  ordinary.socket.destroy();
  await until(() => sockets[0]?.closed === true);
  const usual = listenersOf(sockets.shift()!);

  const nothingIsLeft = async () => {
    await until(async () => (await connections(server)) === 0 && backends.size === 0);
    await until(() => tunnel.stats().open === 0);
    for (const { load } of tunnel.stats().backends) expect(load).toBe(0);
    for (const socket of sockets) {
      const { error = 0, ...left } = listenersOf(socket);
      // One `error` listener stays for good, since a reset can come at any time.
      expect(error).toBeLessThanOrEqual((usual.error ?? 0) + 1);
      for (const [name, count] of Object.entries(left))
        expect(count, name).toBeLessThanOrEqual(usual[name] ?? 0);
    }
  };
  return { server, port, tunnel, sockets, nothingIsLeft };
}

const connections = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));

const listenersOf = (socket: Socket): Record<string, number> =>
  Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));

/** The complete answer to a request, up to the end of the connection by the server. */
async function conversation(port: number, ...request: (string | Uint8Array)[]) {
  const client = new RawClient(port).send(...request);
  const text = (await client.rest()).toString('latin1');
  client.socket.destroy();
  return {
    text,
    statuses: Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status)),
  };
}

describe('several requests on one connection', () => {
  test('an upgrade pipelined after several slow requests is answered last and keeps its early bytes', async () => {
    const slow = [deferred<Response>(), deferred<Response>(), deferred<Response>()];
    const { port, nothingIsLeft } = await start((app) => {
      app.get('/slow/:n', (req, res) => slow[Number(req.params.n)]?.resolve(res));
      return [];
    });
    const client = new RawClient(port).send(
      GET('/slow/0'),
      GET('/slow/1'),
      GET('/slow/2'),
      handshake('/tunnel'),
      frame(2, 'early'),
    );
    for (const n of [2, 0, 1]) (await slow[n]!.promise).send(`slow ${n}`);
    for (const n of [0, 1, 2]) {
      expect((await client.answer()).status).toBe(200);
      expect((await client.take(6)).toString()).toBe(`slow ${n}`);
    }
    expect((await client.answer()).status).toBe(101);
    expect((await client.payload(5)).toString()).toBe('early');
    client.socket.destroy();
    await nothingIsLeft();
  });

  test('many connections with an upgrade after a slow request, half of which leave, free everything', async () => {
    const slow: Response[] = [];
    const { port, tunnel, nothingIsLeft } = await start((app) => {
      app.get('/slow', (_req, res) => slow.push(res));
      return [];
    });
    const clients = Array.from({ length: 20 }, () =>
      new RawClient(port).send(GET('/slow'), handshake('/tunnel')),
    );
    await until(() => slow.length === clients.length);
    const staying = clients.filter((_client, i) => i % 2 === 0);
    for (const client of clients) if (!staying.includes(client)) client.socket.resetAndDestroy();
    await until(() => slow.filter((res) => res.closed).length === 10);
    for (const res of slow) res.send('at last');
    for (const client of staying) {
      expect((await client.answer()).status).toBe(200);
      await client.take(7);
      expect((await client.answer()).status).toBe(101);
      await echoes(client);
    }
    expect(tunnel.stats().opened).toBe(10);
    for (const client of clients) client.socket.destroy();
    await nothingIsLeft();
  });

  test('a second upgrade in the same packet is read as frames by the tunnel, and dropped after a refusal', async () => {
    const { port, nothingIsLeft } = await start(() => [
      (req, res, next) => {
        if (req.query.out === undefined) next();
        else res.sendStatus(401);
      },
    ]);
    const client = new RawClient(port).send(handshake('/tunnel'), handshake('/tunnel'));
    expect((await client.answer()).status).toBe(101);
    expect(await client.close()).toMatchObject({ code: 1002 });
    client.send(closeFrame(1002));
    client.socket.end();
    expect((await client.rest()).length).toBe(0);
    const { statuses } = await conversation(
      port,
      handshake('/tunnel?out'),
      handshake('/tunnel'),
      GET('/plain'),
    );
    expect(statuses).toEqual([401]);
    await nothingIsLeft();
  });

  test.each([
    ['an ordinary request', 'Connection: keep-alive'],
    ['an upgrade to h2c with a body', 'Connection: Upgrade\r\nUpgrade: h2c'],
  ])('after %s on a keep-alive connection an upgrade opens a tunnel', async (_what, lines) => {
    const { port, tunnel, nothingIsLeft } = await start((app) => {
      app.post('/kept', express.text(), (req, res) => res.send(req.body));
      return [];
    });
    const client = new RawClient(port);
    for (let i = 0; i < 2; i++) {
      client.send(
        `POST /kept HTTP/1.1\r\nHost: a\r\n${lines}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi`,
      );
      expect((await client.answer()).status).toBe(200);
      expect((await client.take(2)).toString()).toBe('hi');
    }
    client.send(handshake('/tunnel'));
    expect((await client.answer()).status).toBe(101);
    await echoes(client);
    client.socket.destroy();
    expect(tunnel.stats()).toMatchObject({ opened: 1, refused: {} });
    await nothingIsLeft();
  });

  test("100 clients that reset inside the app's login disturb no other client", async () => {
    const entered: (() => void)[] = [];
    const { port, tunnel, nothingIsLeft } = await start(() => [
      (req, _res, next) => {
        if (req.query.wait === undefined) next();
        else entered.push(() => next());
      },
    ]);
    for (let i = 0; i < 100; i++) {
      const client = new RawClient(port).send(handshake('/tunnel?wait'), frame(2, 'early'));
      await until(() => entered.length > i);
      // The app calls next(), before or after the reset can be noticed.
      if (i % 3 === 0) entered[i]!();
      client.socket.resetAndDestroy();
      if (i % 3 === 1) entered[i]!();
    }
    const client = await openRaw(port);
    await echoes(client);
    client.socket.destroy();
    await nothingIsLeft();
    expect(tunnel.stats().open).toBe(0);
  });

  test('a client of an app that never answers gets 504 once, and its flood is not stored meanwhile', async () => {
    const entered = deferred();
    let read = Infinity;
    const { port, nothingIsLeft } = await start(
      () => [
        (req, res) => {
          res.once('finish', () => (read = req.socket.bytesRead));
          entered.resolve();
        },
      ],
      { handshakeTimeout: 0.3 },
    );
    const client = requestTunnel(port);
    await entered.promise;
    client.send(Buffer.alloc(16 * 1024 * 1024));
    expect((await client.answer()).status).toBe(504);
    expect(read).toBeLessThan(1024 * 1024);
    expect((await client.rest()).toString()).not.toContain('HTTP/1.1');
    client.socket.destroy();
    await nothingIsLeft();
  });
});

describe('a bad request is answered once and frees everything', () => {
  const from = (headers: Record<string, string | string[] | undefined>) => handshake('/tunnel', headers);

  test.each<[string, number[], string]>([
    ['a body', [400], `${from({ 'Content-Length': '5' })}hello${GET('/plain')}`],
    ['a body that never comes', [400], from({ 'Content-Length': '1000000' })],
    [
      'a chunked body',
      [400],
      `${from({ 'Transfer-Encoding': 'chunked' })}5\r\nhello\r\n0\r\n\r\n${GET('/plain')}`,
    ],
    [
      'a length and chunks',
      [400],
      `${from({ 'Transfer-Encoding': 'chunked', 'Content-Length': '5' })}0\r\n\r\n`,
    ],
    ['a length that is none', [400], from({ 'Content-Length': '-1' })],
    ['Expect: 100-continue', [100, 400], from({ Expect: '100-continue' })],
    ['another expectation', [417], from({ Expect: 'the impossible', Connection: 'Upgrade, close' })],
    ['no Host', [400], from({ Host: undefined })],
    ['two Hosts', [400], from({ Host: ['a', 'a'] })],
    ['HTTP/1.0', [400], from({}).replace('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/2.0', [400], from({}).replace('HTTP/1.1', 'HTTP/2.0')],
    ['white space that is none in Connection', [400], from({ Connection: '\xa0Upgrade' })],
    ['white space that is none in a subprotocol', [400], from({ 'Sec-WebSocket-Protocol': 'a,\xa0b' })],
    ['17 KiB of header', [431], from({ 'X-Bomb': 'x'.repeat(17 * 1024) })],
    ['17 KiB of target', [431], handshake(`/tunnel?${'x'.repeat(17 * 1024)}`)],
    ['a line break in a header', [400], from({ 'X-A': 'a\rb' })],
    ['a NUL in a header', [400], from({ 'X-A': 'a\0b' })],
    ['a folded header', [400], from({ 'X-A': 'a\r\n b' })],
    ['bytes of TLS', [400], '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('%s: %j', async (_what, statuses, request) => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    onCleanup(() => process.off('warning', onWarning));
    const { port, tunnel, nothingIsLeft } = await start();
    const answer = await conversation(port, Buffer.from(request, 'latin1'));
    expect(answer.statuses, answer.text).toEqual(statuses);
    await nothingIsLeft();
    expect(tunnel.stats().opened).toBe(0);
    await echoes(await openRaw(port));
    expect(warnings).toEqual([]);
  });

  test('100 headers and a Content-Length of 0 are accepted', async () => {
    const { port } = await start();
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`X-${i}`, 'x'.repeat(50)]));
    await echoes(await openRaw(port, '/tunnel', { ...many, 'Content-Length': '0' }));
  });

  test('no request changes how a manually attached tunnel is bound', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend } });
    const { server, port } = await startApp((app) => {
      app.use('/tunnel', (req, res, next) => tunnel(req, res, next));
      app.use((_req, res) => res.sendStatus(401));
    });
    tunnel.attach(server, { path: '/tunnel', exclusive: true });
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Neighbour\r\nConnection: close\r\n\r\n'));
    // Node 20 parses none of these requests as an upgrade.
    for (const odd of [
      { Connection: '\tUpgrade\t' },
      { Connection: '\xa0Upgrade' },
      { Expect: '100-continue' },
    ]) {
      const client = new RawClient(port).send(Buffer.from(handshake('/tunnel', { ...odd }), 'latin1'));
      await client.answer();
      client.socket.destroy();
    }
    expect((await conversation(port, handshake('/neighbour'))).statuses).toEqual([418]);
    await echoes(await openRaw(port));
  });
});
