import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import connectApp from 'connect';
import express, { type Express } from 'express';
import { describe, expect, test } from 'vitest';
import type { RefuseInfo, TunnelInfo, TunnelOptions } from '../../src/index.js';
import { describeWith } from '../support/programs.js';
import { CLIENT, startHaproxy, startNginx, type Proxy } from '../support/proxies.js';
import {
  closeFrame,
  frame,
  handshake,
  openRaw,
  RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import { makeTunnel, startBackend, startEcho, startHttp } from '../support/servers.js';

const FORGED = '203.0.113.7';

/** An app with a tunnel for each set of options, mounted under the name of the set. */
async function startApp(tunnels: Record<string, Partial<TunnelOptions>>) {
  const { port: backend } = await startEcho();
  const app: Express = express().set('env', 'test');
  const opened: TunnelInfo[] = [];
  const refused: RefuseInfo[] = [];
  for (const [name, options] of Object.entries(tunnels)) {
    const tunnel = makeTunnel({ server: { port: backend }, closeTimeout: 2, ...options });
    tunnel.on('open', (info) => opened.push(info));
    tunnel.on('refuse', (info) => refused.push(info));
    app.use(`/${name}`, tunnel);
  }
  app.get('/', (req, res) => res.json({ ip: req.ip, secure: req.secure, host: req.host }));
  return { app, opened, refused, ...(await startHttp(app)) };
}

/** The proxy's status for a page's handshake; by default the page has the origin of the proxy. */
async function answerTo(proxy: Proxy, path: string, headers: Record<string, string> = {}) {
  const client = new RawClient(proxy.dial());
  const host = `127.0.0.1:${proxy.port}`;
  client.send(handshake(path, { Host: host, Origin: `https://${host}`, ...headers }));
  const answer = await client.answer();
  client.socket.destroy();
  return answer.status;
}

describeWith('nginx', 'haproxy', 'openssl').each([
  ['nginx', startNginx],
  ['HAProxy', startHaproxy],
])('behind %s, which ends TLS', (name, startProxy) => {
  test('tunnels carry bytes and closes, and pages are served', async () => {
    const ends = await startBackend((socket) => socket.once('data', () => socket.end('bye')));
    const { port } = await startApp({ tunnel: {}, ends: { server: { port: ends.port } } });
    const proxy = await startProxy(port);
    const client = await openRaw(proxy.dial(), '/tunnel');
    const bytes = Buffer.from(Array.from({ length: 65536 }, (_, i) => (i * 7) & 255));
    client.send(frame(2, bytes));
    expect((await client.payload(bytes.length)).equals(bytes)).toBe(true);
    client.send(closeFrame(4001, 'enough'));
    expect(await client.close()).toMatchObject({ code: 4001 });
    await client.ended();

    const other = (await openRaw(proxy.dial(), '/ends')).send(frame(2, 'x'));
    expect((await other.payload(3)).toString()).toBe('bye');
    expect(await other.close()).toMatchObject({ code: 1000 });

    // A page and a tunnel on one connection to the proxy.
    const page = new RawClient(proxy.dial()).send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { status, headers } = await page.answer();
    expect(status).toBe(200);
    await page.take(Number(headers['content-length']));
    page.send(handshake('/tunnel'), frame(2, 'early'));
    expect((await page.answer()).status).toBe(101);
    expect((await page.payload(5)).toString()).toBe('early');
  });

  test('end() and refusals arrive with their reasons', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({
      server: { port: backend },
      authenticate: (req) => req.headers.cookie === 'in',
    });
    const { port } = await startHttp(express().use('/tunnel', tunnel));
    const proxy = await startProxy(port);
    const client = await openRaw(proxy.dial(), '/tunnel', { Cookie: 'in' });
    tunnel.end(() => true, 1008, 'logged out');
    expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
    const outside = requestTunnel(proxy.dial());
    const { status, headers } = await outside.answer();
    expect(status).toBe(401);
    const body = await outside.take(Number(headers['content-length']));
    expect(body.toString()).toBe('you are not logged in\n');
  });

  test("`origins` accepts the proxy's pages and no others, whether the proxy is trusted or not", async () => {
    const { app, port } = await startApp({ tunnel: {} });
    const proxy = await startProxy(port);
    const own = `127.0.0.1:${proxy.port}`;
    for (const trust of [false, '127.0.0.1']) {
      app.set('trust proxy', trust);
      expect(await answerTo(proxy, '/tunnel')).toBe(101);
      for (const Origin of [
        'https://evil.example',
        'https://127.0.0.1',
        `https://127.0.0.1.evil.example`,
        'null',
      ])
        expect(await answerTo(proxy, '/tunnel', { Origin }), Origin).toBe(403);
      const evil = { Origin: 'https://evil.example', 'X-Forwarded-Proto': 'http' };
      expect(await answerTo(proxy, '/tunnel', evil)).toBe(403);
      // The scheme is known from a trusted proxy only: without trust, a page of http counts as the same origin.
      expect(await answerTo(proxy, '/tunnel', { Origin: `http://${own}` })).toBe(trust === false ? 101 : 403);
    }
  });

  test('`origins` takes a Host that the proxy replaces from a trusted X-Forwarded-Host', async () => {
    const { app, port } = await startApp({ tunnel: {} });
    const proxy = await startProxy(port, { hidesHost: true });
    expect(await answerTo(proxy, '/tunnel')).toBe(403);
    app.set('trust proxy', '127.0.0.1');
    expect(await answerTo(proxy, '/tunnel')).toBe(101);
    expect(await answerTo(proxy, '/tunnel', { Origin: 'https://evil.example' })).toBe(403);
    expect(await answerTo(proxy, '/tunnel', { Origin: 'https://app.internal' })).toBe(403);
    app.set('trust proxy', '192.0.2.1');
    expect(await answerTo(proxy, '/tunnel')).toBe(403);
  });

  test("every form of 'trust proxy' gives the right address", async () => {
    const { app, port, opened } = await startApp({ tunnel: {} });
    const proxy = await startProxy(port);
    const forms: [unknown, string][] = [
      [undefined, '127.0.0.1'],
      [false, '127.0.0.1'],
      // The client could forge the header, so the address of the connection counts.
      [true, '127.0.0.1'],
      [0, '127.0.0.1'],
      [1, CLIENT],
      ['127.0.0.1', CLIENT],
      ['127.0.0.1, 10.0.0.0/8', CLIENT],
      [['127.0.0.1', 'uniquelocal'], CLIENT],
      ['10.0.0.0/8', '127.0.0.1'],
      [(address: string) => address === '127.0.0.1', CLIENT],
    ];
    for (const [trust, address] of forms) {
      if (trust !== undefined) app.set('trust proxy', trust);
      for (const headers of [{}, { 'X-Forwarded-For': FORGED }]) {
        expect(await answerTo(proxy, '/tunnel', headers)).toBe(101);
        expect(opened.pop()?.address, String(trust)).toBe(address);
      }
    }
    app.set('trust proxy', 'loopback');
    expect(await answerTo(proxy, '/tunnel')).toBe(101);
    expect(opened.pop()?.address).toBe(CLIENT);
    // A client on loopback counts as a proxy too: HAProxy forwards the client's header, the README's nginx does not.
    expect(await answerTo(proxy, '/tunnel', { 'X-Forwarded-For': FORGED })).toBe(101);
    expect(opened.pop()?.address).toBe(name === 'nginx' ? CLIENT : FORGED);
  });

  test("`allow` and `deny` compare the client's address", async () => {
    const { app, port, refused } = await startApp({
      allowed: { allow: [CLIENT] },
      proxied: { allow: ['127.0.0.1'] },
      forged: { allow: [FORGED] },
      denied: { deny: [`${CLIENT}/32`] },
    });
    const proxy = await startProxy(port);
    const forge = { 'X-Forwarded-For': FORGED };
    const ask = async () => {
      const statuses: Record<string, number> = {};
      for (const path of ['allowed', 'proxied', 'forged', 'denied'])
        statuses[path] = await answerTo(proxy, `/${path}`, forge);
      return statuses;
    };
    expect(await ask()).toEqual({ allowed: 403, proxied: 101, forged: 403, denied: 101 });
    app.set('trust proxy', '127.0.0.1');
    expect(await ask()).toEqual({ allowed: 101, proxied: 403, forged: 403, denied: 403 });
    refused.length = 0;
    app.set('trust proxy', true);
    expect(await ask()).toEqual({ allowed: 500, proxied: 500, forged: 500, denied: 500 });
    for (const { code, reason } of refused) {
      expect(code).toBe('WSTUNNEL_HOOK_FAILED');
      expect(reason).toContain("app.set('trust proxy', 'loopback')");
    }
  });

  test('without Express clientAddress reads the header', async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({
      server: { port: backend },
      allow: [CLIENT],
      clientAddress: ({ headers, socket }) =>
        socket.remoteAddress === '127.0.0.1'
          ? String(headers['x-forwarded-for']).split(', ').at(-1)
          : socket.remoteAddress,
    });
    for (const listener of [
      connectApp().use('/tunnel', tunnel),
      (...args: Parameters<typeof tunnel>) => tunnel(args[0], args[1], () => args[1].end()),
    ]) {
      const { port } = await startHttp(listener as never);
      const proxy = await startProxy(port);
      const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
      expect(await answerTo(proxy, '/tunnel', { 'X-Forwarded-For': FORGED })).toBe(101);
      expect((await opened)[0].address).toBe(CLIENT);
      expect(await statusOf(port, '/tunnel', { 'X-Forwarded-For': FORGED })).toBe(403);
    }
  });
});

describe('a direct client that forges the headers of a proxy gains nothing', () => {
  test.each<[string, unknown]>([
    ['nobody is trusted', undefined],
    ['another is trusted', '127.0.0.1'],
  ])('%s', async (_trust, trust) => {
    const { app, port, opened } = await startApp({
      tunnel: {},
      forged: { allow: [FORGED] },
      denied: { deny: [CLIENT] },
    });
    if (trust !== undefined) app.set('trust proxy', trust);
    const ask = async (path: string, headers: Record<string, string>) => {
      const client = new RawClient(connectTcp({ port, host: '127.0.0.1', localAddress: CLIENT }));
      const answer = await client.send(handshake(path, headers)).answer();
      client.socket.destroy();
      return answer.status;
    };
    const forged = { 'X-Forwarded-For': FORGED, 'X-Real-IP': FORGED, Forwarded: `for=${FORGED}` };
    expect(await ask('/forged', forged)).toBe(403);
    expect(await ask('/denied', forged)).toBe(403);
    expect(await ask('/tunnel', forged)).toBe(101);
    expect(opened.pop()?.address).toBe(CLIENT);
    const evil = { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' };
    for (const Origin of ['https://evil.example', 'http://evil.example'])
      expect(await ask('/tunnel', { ...evil, Origin })).toBe(403);
    expect(await ask('/tunnel', { ...evil, Origin: 'http://127.0.0.1' })).toBe(101);
  });
});
