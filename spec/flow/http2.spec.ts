import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { constants, createServer as createPlainHttp2, connect as connectPlain } from 'node:http2';
import type { Socket } from 'node:net';
import connectApp from 'connect';
import express, { type Request, type Response } from 'express';
import session from 'express-session';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import {
  ask,
  bodyOf,
  connectHeaders,
  connectHttp2,
  openOverHttp2,
  refusal,
  startHttp2,
  startHttp2Tunnel,
} from '../support/http2.js';
import { describeWith } from '../support/programs.js';
import { closeFrame, echoes, frame, openRaw, RawClient } from '../support/raw-client.js';
import { runTunnels } from '../support/integrity/run.js';
import { closedPort, listen, makeTunnel, portOf, startBackend, startEcho } from '../support/servers.js';
import { deferred, sleep, until } from '../support/wait.js';
import { connect as connectTls } from 'node:tls';
import { certificate } from '../support/certificate.js';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR } = constants;

describeWith('openssl')('HTTP/2', () => {
  describe('extended CONNECT', () => {
    test('opens a tunnel with app.use alone', async () => {
      const { port, tunnel, server } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      expect(http2.remoteSettings.enableConnectProtocol).toBe(true);
      const client = await openOverHttp2(http2);
      await echoes(client);
      for (const name of ['connection', 'upgrade', 'sec-websocket-accept', 'transfer-encoding'])
        expect(client.headers).not.toHaveProperty(name);
      expect(server.listenerCount('stream')).toBe(1);
      expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1 });

      client.send(closeFrame(1000, 'bye'));
      expect(await client.close()).toEqual({ code: 1000, reason: '' });
      await client.ended();
      client.stream.end();
      await until(() => tunnel.stats().open === 0);
      expect(tunnel.stats()).toMatchObject({ closed: { 1000: 1 }, bytesIn: 4, bytesOut: 4 });
      await echoes(await openOverHttp2(http2));
    });

    test('works on a server that serves HTTP/1.1 as well', async () => {
      const { port, tunnel } = await startHttp2Tunnel();
      await echoes(await openOverHttp2(await connectHttp2(port)));
      await echoes(await openRaw(connectTls({ port, host: '127.0.0.1', ca: certificate().cert })));
      expect(tunnel.stats().opened).toBe(2);
    });

    test('carries many messages and more than a window both ways', async () => {
      const { port } = await startHttp2Tunnel();
      const client = await openOverHttp2(await connectHttp2(port));
      const bytes = Buffer.alloc(3_000_000, 'all the bytes there are ');
      client.send(frame(2, bytes));
      expect((await client.payload(bytes.length)).equals(bytes)).toBe(true);
    });

    test('works without TLS', async () => {
      const { port: backend } = await startEcho();
      const secure: unknown[] = [];
      const tunnel = makeTunnel({ server: { port: backend } });
      const app = express().use(
        '/tunnel',
        (req, _res, next) => {
          secure.push(req.secure);
          next();
        },
        tunnel,
      );
      const server = createPlainHttp2(app as unknown as () => void);
      // Attaching at the first request would be too late for the SETTINGS of the first connection.
      tunnel.attach(server);
      await listen(server);
      const http2 = connectPlain(`http://127.0.0.1:${portOf(server)}`);
      onCleanup(() => http2.destroy());
      await once(http2, 'remoteSettings');
      await echoes(await openOverHttp2(http2));
      expect(secure).toEqual([false]);
    });

    test('a DATA frame sent before the 200 is not lost', async () => {
      const { port } = await startHttp2Tunnel();
      const stream = (await connectHttp2(port)).request(connectHeaders());
      const client = new RawClient(stream as unknown as Socket).send(frame(2, 'early'));
      expect((await client.payload(5)).toString()).toBe('early');
    });
  });

  describe('the app handles the request as any upgrade', () => {
    test('with addresses, scheme, host and cookies, and without headers of HTTP/1.1 connections', async () => {
      const seen = deferred<Request>();
      const { port } = await startHttp2Tunnel({}, (app) =>
        app.use((req, _res, next) => {
          seen.resolve(req);
          next();
        }),
      );
      const http2 = await connectHttp2(port);
      await openOverHttp2(http2, '/tunnel?a=b', {
        cookie: ['one=1', 'two=2'],
        'x-twice': ['a', 'b'],
        'sec-websocket-key': 'mine',
      });
      const req = await seen.promise;
      expect(req).toMatchObject({
        method: 'GET',
        originalUrl: '/tunnel?a=b',
        secure: true,
        protocol: 'https',
      });
      expect(req.ip).toMatch(/127\.0\.0\.1$/);
      expect(req.socket.remotePort).toBe(http2.socket.localPort);
      expect(req.socket.localPort).toBe(port);
      expect(req.headers).toMatchObject({
        host: `localhost:${port}`,
        cookie: 'one=1; two=2',
        upgrade: 'websocket',
        connection: 'Upgrade',
        'x-twice': 'a, b',
      });
      expect(req.headers['sec-websocket-key']).toMatch(/^[\w+/]{22}==$/);
      expect(req.headersDistinct['x-twice']).toEqual(['a', 'b']);
      expect(req.rawHeaders.filter((name) => name.startsWith(':'))).toEqual([]);
      expect(Object.keys(req.headers).filter((name) => name.startsWith(':'))).toEqual([]);
    });

    test('and its session is saved, its headers are on the 200', async () => {
      const { port } = await startHttp2Tunnel({ user: (req) => (req as Request).sessionID }, (app) =>
        app.use(
          session({ secret: 's', resave: false, saveUninitialized: false, cookie: { secure: true } }),
          (req, res, next) => {
            const own = req.session as unknown as { count?: number };
            own.count = (own.count ?? 0) + 1;
            res.append('X-Many', ['a', 'b']).append('Set-Cookie', 'more=1').set('X-Count', String(own.count));
            next();
          },
        ),
      );
      const http2 = await connectHttp2(port);
      const first = await openOverHttp2(http2);
      expect(first.headers).toMatchObject({ 'x-many': 'a, b', 'x-count': '1' });
      expect(first.headers['set-cookie']).toHaveLength(2);
      const cookie = first.headers['set-cookie']?.find((one) => one.startsWith('connect.sid'))?.split(';')[0];
      const second = await openOverHttp2(http2, '/tunnel', { cookie: ['x=y', cookie ?? ''] });
      expect(second.headers['x-count']).toBe('2');
    });

    test("and a trusted proxy's headers count", async () => {
      const { port, tunnel } = await startHttp2Tunnel({}, (app) => app.set('trust proxy', 'loopback'));
      const addresses: string[] = [];
      tunnel.on('open', ({ address }) => addresses.push(address));
      await openOverHttp2(await connectHttp2(port), '/tunnel', { 'x-forwarded-for': '192.0.2.7' });
      expect(addresses).toEqual(['192.0.2.7']);
    });
  });

  describe('refusals are ordinary answers', () => {
    test.each<[number, Parameters<typeof startHttp2Tunnel>[0], Record<string, string>]>([
      [401, { authenticate: () => false }, {}],
      [403, { deny: ['127.0.0.0/8'] }, {}],
      [403, {}, { origin: 'https://elsewhere.example' }],
      // The tunnel is reached over TLS: an origin with another scheme is another origin.
      [403, {}, { origin: 'http://localhost' }],
      [400, { origins: ['https://a.example'] }, {}],
      [404, { server: () => undefined }, {}],
      [426, {}, { 'sec-websocket-version': '8' }],
      [400, {}, { expect: '100-continue' }],
      [500, { authenticate: () => Promise.reject(new Error('broken')) }, {}],
    ])('status %d', async (status, options, headers) => {
      const { port, tunnel } = await startHttp2Tunnel(options);
      const { origin } = headers;
      const http2 = await connectHttp2(port);
      const own = {
        ...headers,
        ...(origin === 'http://localhost' && { origin: `http://localhost:${port}` }),
      };
      const answer = await refusal(http2, '/tunnel', own);
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(answer.headers).not.toHaveProperty('connection');
      expect(answer.body.length).toBe(Number(answer.headers['content-length']));
      expect(tunnel.stats()).toMatchObject({ open: 0, opened: 0 });
      expect(Object.values(tunnel.stats().refused)).toEqual([1]);
    });

    test("a page of the tunnel's origin is accepted", async () => {
      const { port } = await startHttp2Tunnel();
      await echoes(
        await openOverHttp2(await connectHttp2(port), '/tunnel', { origin: `https://localhost:${port}` }),
      );
    });

    test('502 and 503 report the backend', async () => {
      const { port } = await startHttp2Tunnel({ server: { port: await closedPort(), disableTime: 60 } });
      const http2 = await connectHttp2(port);
      expect((await refusal(http2)).status).toBe(502);
      expect((await refusal(http2)).status).toBe(503);
    });

    test("the app's answer arrives, chunked or with a length", async () => {
      const { port } = await startHttp2Tunnel({}, (app) => {
        app.use('/tunnel/login', (_req, res) =>
          res.status(401).set('WWW-Authenticate', 'Basic').send('log in'),
        );
        app.use('/tunnel/chunks', (_req, res) => {
          res.writeHead(429, { 'Transfer-Encoding': 'chunked', Connection: 'keep-alive' });
          res.write('slow ');
          setImmediate(() => res.end('down'));
        });
        app.use('/tunnel/hints', (_req, res) => {
          res.setHeader('Transfer-Encoding', 'chunked');
          res.writeEarlyHints({ link: '</style.css>; rel=preload' });
          res.status(403).write('x'.repeat(200_000));
          res.end();
        });
      });
      const http2 = await connectHttp2(port);
      const login = await refusal(http2, '/tunnel/login');
      expect(login).toMatchObject({ status: 401, body: 'log in', headers: { 'www-authenticate': 'Basic' } });
      expect(await refusal(http2, '/tunnel/chunks')).toMatchObject({ status: 429, body: 'slow down' });
      expect(await refusal(http2, '/tunnel/hints')).toMatchObject({ status: 403, body: 'x'.repeat(200_000) });
      expect((await refusal(http2, '/elsewhere')).status).toBe(404);
    });

    test("a refusal comes as a Close after the upgrade with refuseWith: 'close'", async () => {
      const { port, tunnel } = await startHttp2Tunnel({ refuseWith: 'close', authenticate: () => false });
      const client = await openOverHttp2(await connectHttp2(port));
      expect(await client.close()).toMatchObject({ code: 4401 });
      client.send(closeFrame(4401));
      await client.ended();
      expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_NOT_AUTHENTICATED: 1 } });
    });

    test('limits count streams', async () => {
      const { port, tunnel } = await startHttp2Tunnel({ limits: { perClient: 2, total: 3 } });
      const http2 = await connectHttp2(port);
      const [first] = [await openOverHttp2(http2), await openOverHttp2(http2)];
      expect((await refusal(http2)).status).toBe(429);
      first.stream.close(NGHTTP2_CANCEL);
      await until(() => tunnel.stats().open === 1);
      await openOverHttp2(http2);
      await tunnel.close({ timeout: 0 });
    });

    test('an app that never answers is ended by handshakeTimeout', async () => {
      const { port } = await startHttp2Tunnel({ handshakeTimeout: 0.1 }, (app) =>
        app.use('/tunnel', () => undefined),
      );
      expect((await refusal(await connectHttp2(port))).status).toBe(504);
    });

    test('an app that destroys the socket resets this stream only', async () => {
      const { port } = await startHttp2Tunnel({}, (app) =>
        app.use('/tunnel/broken', (req) => void req.socket.destroy()),
      );
      const http2 = await connectHttp2(port);
      const other = await openOverHttp2(http2);
      await expect(refusal(http2, '/tunnel/broken')).rejects.toThrow(`code ${NGHTTP2_CANCEL}`);
      await echoes(other);
    });
  });

  describe('ends over HTTP/2', () => {
    test('the backend ends: its bytes, Close 1000 and END_STREAM arrive', async () => {
      const bytes = Buffer.alloc(500_000, 'last words ');
      const { port: backend } = await startBackend((socket) => socket.end(bytes));
      const { port, tunnel } = await startHttp2Tunnel({ server: { port: backend } });
      const client = await openOverHttp2(await connectHttp2(port));
      expect((await client.payload(bytes.length)).equals(bytes)).toBe(true);
      expect(await client.close()).toMatchObject({ code: 1000 });
      client.send(closeFrame(1000));
      client.stream.end();
      await client.closed();
      expect(client.stream.rstCode).toBe(NGHTTP2_NO_ERROR);
      await until(() => tunnel.stats().open === 0);
      expect(tunnel.stats().closed).toEqual({ 1000: 1 });
    });

    test.each<[string, (client: Awaited<ReturnType<typeof openOverHttp2>>) => void]>([
      ['RST_STREAM CANCEL', ({ stream }) => stream.close(NGHTTP2_CANCEL)],
      ['RST_STREAM INTERNAL_ERROR', ({ stream }) => stream.close(NGHTTP2_INTERNAL_ERROR)],
      ['RST_STREAM NO_ERROR', ({ stream }) => stream.destroy()],
      ['END_STREAM', ({ stream }) => void stream.end()],
      ['GOAWAY', ({ stream }) => stream.session?.goaway(NGHTTP2_INTERNAL_ERROR)],
      ['the end of the connection', ({ stream }) => stream.session?.destroy()],
      [
        'a reset of the connection',
        ({ stream }) => void (stream.session?.socket as Socket).resetAndDestroy(),
      ],
    ])('%s frees both sides, and `close` is emitted once', async (_name, end) => {
      const { port, tunnel, backend } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      const client = await openOverHttp2(http2);
      await echoes(client);
      const closes: number[] = [];
      tunnel.on('close', ({ code }) => closes.push(code));
      try {
        end(client);
      } catch {
        // http2 forbids access to the socket's methods.
        http2.destroy();
      }
      await until(() => tunnel.stats().open === 0 && backend?.sockets.size === 0);
      expect(closes).toEqual([1006]);
      expect(tunnel.stats().backends[0]?.load).toBe(0);
    });

    test('GOAWAY without an error lets open tunnels finish', async () => {
      const { port, tunnel } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      const client = await openOverHttp2(http2);
      http2.close();
      await echoes(client);
      client.send(closeFrame(1000));
      expect(await client.close()).toMatchObject({ code: 1000 });
      client.stream.end();
      await once(http2, 'close');
      expect(tunnel.stats().closed).toEqual({ 1000: 1 });
    });

    test('close() sends Close 1001 and waits for the answer', async () => {
      const { port, tunnel } = await startHttp2Tunnel();
      const client = await openOverHttp2(await connectHttp2(port));
      const closed = tunnel.close();
      expect(await client.close()).toMatchObject({ code: 1001 });
      client.send(closeFrame(1001));
      client.stream.end();
      await closed;
      expect(tunnel.stats()).toMatchObject({ open: 0, closed: { 1001: 1 } });
    });

    test('close() resets a client that does not answer', async () => {
      const { port, tunnel } = await startHttp2Tunnel({ closeTimeout: 60 });
      const client = await openOverHttp2(await connectHttp2(port));
      await tunnel.close({ timeout: 0.05 });
      await client.closed();
      expect(client.stream.rstCode).toBe(NGHTTP2_CANCEL);
    });

    test('after close() the server has no listener of ours and announces no extended CONNECT', async () => {
      const { port, tunnel, server } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      await echoes(await openOverHttp2(http2));
      await tunnel.close({ timeout: 0.05 });
      expect(Object.hasOwn(server, 'emit')).toBe(false);
      // Node refuses a client that received our SETTINGS before close().
      expect((await ask(http2, connectHeaders())).status).toBe(405);
      expect((await connectHttp2(port)).remoteSettings.enableConnectProtocol).toBe(false);
    });

    test('no tunnel opens after server.close()', async () => {
      const held = deferred<() => void>();
      const { port, server, tunnel } = await startHttp2Tunnel({}, (app) =>
        app.use('/tunnel', (_req, _res, next) => held.resolve(() => next())),
      );
      const answer = refusal(await connectHttp2(port));
      const goOn = await held.promise;
      server.close();
      goOn();
      expect((await answer).status).toBe(503);
      expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_DRAINING: 1 } });
    });
  });

  describe('a client that leaves early', () => {
    test.each<[string, (stream: ReturnType<Awaited<ReturnType<typeof connectHttp2>>['request']>) => void]>([
      ['RST_STREAM', (stream) => stream.close(NGHTTP2_CANCEL)],
      ['END_STREAM', (stream) => void stream.end()],
      ['the connection', (stream) => stream.session?.destroy()],
    ])('with %s while the app is busy: `close` on the response, no tunnel', async (_name, leave) => {
      const entered = deferred<[Response, () => void]>();
      const { port, tunnel, backend } = await startHttp2Tunnel({}, (app) =>
        app.use('/tunnel', (req, res, next) => {
          if (req.query.wait === undefined) next();
          else entered.resolve([res, () => next()]);
        }),
      );
      const stream = (await connectHttp2(port)).request(connectHeaders('/tunnel?wait'));
      stream.on('error', () => undefined);
      stream.resume();
      const [res, goOn] = await entered.promise;
      const closed = once(res, 'close');
      leave(stream);
      await closed;
      goOn();
      await until(() => Object.keys(tunnel.stats().refused).length === 1);
      expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_CLIENT_GONE: 1 } });
      await until(() => backend?.sockets.size === 0);
      await echoes(await openOverHttp2(await connectHttp2(port)));
    });

    test('with RST_STREAM at once, many times, frees everything', async () => {
      const { port, tunnel, backend } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      for (let i = 0; i < 50; i++) {
        const stream = http2.request(connectHeaders());
        stream.on('error', () => undefined);
        if (i % 3 === 0) setImmediate(() => stream.close(NGHTTP2_CANCEL));
        else if (i % 3 === 1) process.nextTick(() => stream.close(NGHTTP2_CANCEL));
        else stream.once('response', () => stream.close(NGHTTP2_CANCEL));
      }
      await echoes(await openOverHttp2(http2));
      await until(() => tunnel.stats().open === 1 && backend?.sockets.size === 1);
      expect(tunnel.stats().backends[0]?.load).toBe(1);
    });

    test('with END_STREAM in its HEADERS opens no tunnel', async () => {
      const { port, tunnel } = await startHttp2Tunnel();
      const stream = (await connectHttp2(port)).request(connectHeaders(), { endStream: true });
      stream.on('error', () => undefined);
      stream.resume();
      await once(stream, 'close');
      expect(tunnel.stats()).toMatchObject({ open: 0 });
    });
  });

  describe('flow control', () => {
    /** A backend that sends without end, as fast as its bytes are accepted. */
    const flood = () =>
      startBackend((socket) => {
        const more = () => {
          while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 'f')));
        };
        socket.on('drain', more);
        more();
      });

    test('clients that do not read pause only their tunnels, in bounded memory', async () => {
      const { port: flooding } = await flood();
      const { port: backend } = await startEcho();
      const { port, tunnel } = await startHttp2Tunnel({
        server: (req) => ({ port: req.url?.includes('flood') === true ? flooding : backend }),
      });
      const http2 = await connectHttp2(port);
      // With 1 MiB queued per stream, http2 would refuse new streams at the tenth stream.
      const stalled = [];
      for (let i = 0; i < 20; i++) {
        const { stream } = await ask(http2, connectHeaders('/tunnel?flood'));
        // Reads some bytes first: only after that more than one write is queued.
        for (let taken = 0; taken < 300_000;) taken += ((await once(stream, 'data')) as [Buffer])[0].length;
        stream.pause();
        stalled.push(stream);
      }
      const taken = () => tunnel.stats().bytesOut;
      for (let before = -1; before !== taken();) {
        before = taken();
        await sleep(200);
      }
      expect(taken()).toBeLessThan(20 * 2_000_000);
      const client = await openOverHttp2(http2);
      const bytes = Buffer.alloc(1_000_000, 'others flow ');
      client.send(frame(2, bytes));
      expect((await client.payload(bytes.length)).equals(bytes)).toBe(true);
      for (const stream of stalled) stream.close(NGHTTP2_CANCEL);
      await until(() => tunnel.stats().open === 1);
    });

    test('a backend that does not read pauses its client only', async () => {
      const { port: deaf } = await startBackend((socket) => socket.pause());
      const { port: backend } = await startEcho();
      const { port, tunnel } = await startHttp2Tunnel({
        server: (req) => ({ port: req.url?.includes('deaf') === true ? deaf : backend }),
      });
      const http2 = await connectHttp2(port);
      const { stream } = await openOverHttp2(http2, '/tunnel?deaf');
      let sent = 0;
      const more = () => {
        while (stream.write(frame(2, Buffer.alloc(65_536)))) sent += 65_536;
        sent += 65_536;
      };
      stream.on('drain', more);
      more();
      for (let before = -1; before !== sent;) {
        before = sent;
        await sleep(300);
      }
      expect(tunnel.stats().bytesIn).toBeLessThan(20_000_000);
      await echoes(await openOverHttp2(http2), 'x'.repeat(300_000));
      stream.close(NGHTTP2_CANCEL);
    });

    test('a client that does not read is cut off by closeTimeout, and its stream is reset', async () => {
      const { port: backend } = await flood();
      const { port, tunnel } = await startHttp2Tunnel({ server: { port: backend }, closeTimeout: 0.3 });
      const { stream } = await ask(await connectHttp2(port), connectHeaders());
      stream.pause();
      await until(() => tunnel.stats().bytesOut > 100_000);
      tunnel.end(() => true);
      await until(() => tunnel.stats().open === 0);
      expect(tunnel.stats().closed).toEqual({ 1006: 1 });
    });
  });

  describe('requests that are not for the tunnel', () => {
    test('CONNECT without :protocol is answered by Node', async () => {
      const { port } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      const answer = await ask(http2, { ':method': 'CONNECT', ':authority': 'elsewhere.example:443' });
      expect(answer.status).toBe(405);
      await echoes(await openOverHttp2(http2));
    });

    test('another :protocol gets 501', async () => {
      const { port, tunnel } = await startHttp2Tunnel();
      const http2 = await connectHttp2(port);
      const answer = await ask(http2, connectHeaders('/tunnel', { ':protocol': 'connect-udp' }));
      expect(answer.status).toBe(501);
      expect(tunnel.stats()).toMatchObject({ opened: 0, refused: {} });
    });

    test('listeners of the app get their requests', async () => {
      const { port, server } = await startHttp2Tunnel();
      const seen: unknown[] = [];
      server.on('stream', (stream, headers) => {
        seen.push(headers[':path'], headers[':protocol']);
        // The tunnel has left no listener on the stream.
        expect(stream.listenerCount('aborted') + stream.listenerCount('end')).toBe(0);
        stream.respond({ ':status': 299 }, { endStream: true });
      });
      server.removeAllListeners('request');
      const { port: backend } = await startEcho();
      const app = express().use('/tunnel', makeTunnel({ server: { port: backend } }));
      app.use('/hidden', express().use(makeTunnel({ url: '/tunnel', server: { port: backend } })));
      const bound = makeTunnel({ url: '/tunnel', server: { port: backend } });
      bound.attach(server, { path: '/bound' });
      app.use('/bound', bound);
      server.on('request', app as unknown as () => void);
      server
        .listeners('stream')
        .filter(({ name }) => name === 'bound onServerStream')
        .forEach((one) => {
          server.off('stream', one as () => void);
        });
      const http2 = await connectHttp2(port);
      await echoes(await openOverHttp2(http2));
      expect(seen).toEqual([]);
      // The first two paths are known to match no tunnel; the third path is tried in the app, which answers 404.
      expect((await ask(http2, connectHeaders('/other'))).status).toBe(299);
      expect((await ask(http2, connectHeaders('/hidden/other'))).status).toBe(299);
      expect((await ask(http2, connectHeaders('/bound/other'))).status).toBe(299);
      expect((await ask(http2, connectHeaders('/tunnel', { ':protocol': 'mine' }))).status).toBe(299);
      expect((await ask(http2, { ':path': '/tunnel' })).status).toBe(299);
      expect(seen).toEqual([
        '/other',
        'websocket',
        '/hidden/other',
        'websocket',
        '/bound/other',
        'websocket',
        '/tunnel',
        'mine',
        '/tunnel',
        undefined,
      ]);
      await echoes(await openOverHttp2(http2, '/hidden/tunnel'));
      await echoes(await openOverHttp2(http2, '/bound/tunnel'));
    });

    test('a server that disables extended CONNECT keeps it disabled', async () => {
      const { port: backend } = await startEcho();
      const app = express().use('/tunnel', makeTunnel({ server: { port: backend } }));
      const { port } = await startHttp2(app, { settings: { enableConnectProtocol: false } });
      expect((await connectHttp2(port)).remoteSettings.enableConnectProtocol).toBe(false);
    });

    test('servers without a tunnel are left unchanged', async () => {
      await startHttp2Tunnel();
      const { port, server } = await startHttp2((_req, res) => res.end('other'));
      server.removeAllListeners('request');
      server.on('request', express().get('/', (_req, res) => res.end()) as unknown as () => void);
      const http2 = await connectHttp2(port);
      expect(http2.remoteSettings.enableConnectProtocol).toBe(false);
      expect(Object.hasOwn(server, 'emit')).toBe(false);
    });
  });

  describe.each<[string, (tunnel: Tunnel) => RequestListener]>([
    [
      'Express 5',
      (tunnel) =>
        express()
          .use('/tunnel', tunnel)
          .post('/echo', (req, res) => void req.pipe(res))
          .get('/page', (req, res) => res.send(`${req.protocol} ${req.hostname}`))
          .get('/large', (_req, res) => res.send('y'.repeat(2_000_000))),
    ],
    [
      'Express 4',
      (tunnel) =>
        express4()
          .use('/tunnel', tunnel)
          .post('/echo', (req, res) => void req.pipe(res))
          .get('/page', (req, res) => res.send(`${req.protocol} ${req.hostname}`))
          .get('/large', (_req, res) => res.send('y'.repeat(2_000_000))),
    ],
    [
      'Connect',
      (tunnel) =>
        connectApp()
          .use('/tunnel', tunnel)
          .use('/echo', (req, res) => void req.pipe(res))
          .use('/page', (_req, res) => void res.end('https localhost'))
          .use('/large', (_req, res) => void res.end('y'.repeat(2_000_000))),
    ],
  ])('pages of %s', (_framework, listenerOf) => {
    test('are served over the same connection', async () => {
      const { port: backend } = await startEcho();
      const { port } = await startHttp2(listenerOf(makeTunnel({ server: { port: backend } })));
      const http2 = await connectHttp2(port);
      const page = await ask(http2, { ':method': 'GET', ':path': '/page' });
      expect(page.status).toBe(200);
      expect(await bodyOf(page)).toBe('https localhost');
      expect(await bodyOf(await ask(http2, { ':method': 'GET', ':path': '/large' }))).toHaveLength(2_000_000);
      expect((await ask(http2, { ':method': 'GET', ':path': '/none' })).status).toBe(404);
      expect((await ask(http2, { ':method': 'HEAD', ':path': '/none' })).status).toBe(404);

      const posted = http2.request({ ':method': 'POST', ':path': '/echo' });
      const body = Buffer.alloc(700_000, 'posted ');
      posted.end(body);
      let back = Buffer.alloc(0);
      for await (const chunk of posted) back = Buffer.concat([back, chunk as Buffer]);
      expect(back.equals(body)).toBe(true);
      await echoes(await openOverHttp2(http2));
    });
  });

  test(
    '100 tunnels on one connection carry every byte to the right client',
    { timeout: 60_000 },
    async () => {
      const { codes, served, site } = await runTunnels({
        transport: 'h2',
        backend: 'tcp',
        tunnels: 100,
        load: { seed: 8441, up: 150_000, down: 150_000, largest: 40_000 },
      });
      expect(codes).toEqual(codes.map(() => 1000));
      expect(served).toEqual(codes.map((_, tunnel) => tunnel));
      await until(() => site.tunnel.stats().open === 0);
    },
  );

  test('answers without a body work, repeatedly', async () => {
    const { port } = await startHttp2Tunnel({}, (app) =>
      app.get('/empty', (_req, res) => void setTimeout(() => res.sendStatus(204), 5)),
    );
    const http2 = await connectHttp2(port);
    for (let i = 0; i < 20; i++) {
      const method = i % 2 === 0 ? 'GET' : 'HEAD';
      expect((await ask(http2, { ':method': method, ':path': '/empty' })).status).toBe(204);
    }
  });

  test('a timeout that the app sets is an event of the request, or else ends the stream', async () => {
    const { port } = await startHttp2Tunnel({}, (app) => {
      app.get('/heard', (req, res) => void req.setTimeout(50, () => res.sendStatus(408)));
      app.get('/answered', (_req, res) => void res.setTimeout(50, () => res.sendStatus(503)));
      app.get('/unheard', (req) => void req.setTimeout(50));
    });
    const http2 = await connectHttp2(port);
    expect((await ask(http2, { ':path': '/heard' })).status).toBe(408);
    expect((await ask(http2, { ':path': '/answered' })).status).toBe(503);
    const unheard = http2.request({ ':path': '/unheard' });
    unheard.on('error', () => undefined).resume();
    await once(unheard, 'close');
    expect(unheard.rstCode).not.toBe(NGHTTP2_NO_ERROR);
    await echoes(await openOverHttp2(http2));
  });

  test('destroySoon() of the socket sends what is written, and ends only this stream', async () => {
    const { port } = await startHttp2Tunnel({}, (app) =>
      app.get('/soon', (req, res) => {
        res.write('the rest');
        req.socket.destroySoon();
      }),
    );
    const http2 = await connectHttp2(port);
    expect(await bodyOf(await ask(http2, { ':path': '/soon' }))).toBe('the rest');
    await echoes(await openOverHttp2(http2));
  });

  test('a request cut off halfway is aborted without an answer', async () => {
    const aborted = deferred();
    const { port } = await startHttp2Tunnel({}, (app) =>
      app.post('/half', (req, res) => {
        req.resume();
        req.on('error', () => {
          res.end('too late');
          aborted.resolve();
        });
      }),
    );
    const http2 = await connectHttp2(port);
    const half = http2.request({ ':method': 'POST', ':path': '/half' });
    half.on('error', () => undefined);
    half.write('half');
    // Closing only the stream would make Node's client end it first.
    setTimeout(() => http2.destroy(), 50);
    await aborted.promise;
    await echoes(await openOverHttp2(await connectHttp2(port)));
  });
});
