import { once } from 'node:events';
import { createServer, IncomingMessage } from 'node:http';
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { Socket } from 'node:net';
import compression from 'compression';
import connectApp from 'connect';
import express from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import { askAdmin, endAt, openEvents, startAdmin, stateAt } from '../support/admin.js';
import { openFrames } from '../support/frame-tunnel.js';
import { connectHttp2, openOverHttp2, startHttp2, startHttp2Tunnel } from '../support/http2.js';
import { frame, openRaw, requestTunnel, statusOf } from '../support/raw-client.js';
import {
  closedPort,
  listen,
  makeTunnel,
  portOf,
  startApp,
  startBackend,
  startEcho,
} from '../support/servers.js';
import { GREETER, node } from '../support/spawned.js';
import { deferred, sleep, until } from '../support/wait.js';

const userOf = (req: { headers: Record<string, unknown> }) => req.headers['x-user'] as string | undefined;

describe('GET /state', () => {
  test('shows open tunnels with their numbers, the totals and the hosts', async () => {
    const backend = await startEcho();
    const server = { port: backend.port, maxTunnels: 7 };
    const { port } = await startAdmin({ server, user: userOf, name: 'vnc' });
    const client = await openRaw(port, '/tunnel/x?token=secret', { 'X-User': 'ann' });
    await client.send(frame(2, 'hello')).payload(5);
    const state = await stateAt(port);
    const host = `127.0.0.1:${backend.port}`;
    const [shown] = state.tunnels;
    expect(shown).toEqual({
      ...{ id: shown!.id, name: 'vnc', user: 'ann', address: '127.0.0.1', url: '/tunnel/x?token=***' },
      ...{ backend: host, since: shown!.since, bytesIn: 5, bytesOut: 5, received: 0, sent: 0, queued: 0 },
    });
    expect(Math.abs(Date.now() - shown!.since)).toBeLessThan(60_000);
    expect(state).toMatchObject({
      ...{ replica: null, draining: false, matching: 1, refusals: [], programs: [] },
      totals: { open: 1, opened: 1, refused: {}, closed: {}, bytesIn: 5, bytesOut: 5 },
      backends: [{ id: host, up: true, tunnels: 1, maxTunnels: 7, failures: 0 }],
    });
    expect(state).not.toHaveProperty('replicas');
  });

  test('shows the rates of the last second, and the sums since the start', async () => {
    const { port, tunnel } = await startAdmin();
    const client = await openRaw(port);
    await stateAt(port);
    await client.send(frame(2, Buffer.alloc(50_000))).payload(50_000);
    await until(async () => (await stateAt(port)).tunnels[0]!.sent > 0);
    const { tunnels, totals } = await stateAt(port);
    expect(totals).toMatchObject({ bytesIn: 50_000, received: tunnels[0]!.received, sent: tunnels[0]!.sent });
    client.socket.destroy();
    await until(() => tunnel.stats().open === 0);
    await until(async () => (await stateAt(port)).matching === 0);
    expect((await stateAt(port)).totals).toMatchObject({
      ...{ open: 0, opened: 1, closed: { 'client-ended': 1 }, bytesIn: 50_000, received: 0, sent: 0 },
    });
  });

  test('counts the bytes of a tunnel once, also for a query between its end and the next sample', async () => {
    const { port, tunnel } = await startAdmin();
    const client = await openRaw(port);
    await client.send(frame(2, 'hello')).payload(5);
    await until(async () => (await stateAt(port)).totals.bytesOut === 5);
    const closed = once(tunnel, 'close');
    client.socket.destroy();
    await closed;
    for (const query of ['?q=ann', '?q=bob', ''])
      expect((await stateAt(port, query)).totals, query).toMatchObject({
        bytesIn: 5,
        bytesOut: 5,
        opened: 1,
      });
  });

  test('selects, sorts and limits tunnels', async () => {
    const { port, tunnel } = await startAdmin({ user: userOf });
    for (const user of ['bob', 'Ann', 'joanna', 'carl']) await openRaw(port, '/tunnel', { 'X-User': user });
    const users = async (query: string) => (await stateAt(port, query)).tunnels.map(({ user }) => user);
    expect(await users('')).toEqual(['carl', 'joanna', 'Ann', 'bob']);
    expect(await users('?q=ANN')).toEqual(['joanna', 'Ann']);
    expect(await users('?sort=user&limit=2')).toEqual(['Ann', 'bob']);
    expect(await users('?sort=user&order=desc&limit=1')).toEqual(['joanna']);
    const { matching, tunnels } = await stateAt(port, '?q=n&limit=1');
    const all = tunnel
      .tunnels()
      .filter((one) => JSON.stringify(Object.values(one)).toLowerCase().includes('n'));
    expect([matching, tunnels.length]).toEqual([all.length, 1]);
    const [{ id } = { id: '' }] = tunnel.tunnels({ user: 'carl' });
    expect(await users(`?q=${id}`)).toEqual(['carl']);
  });

  test.each(['/state', '/events'])(
    'answers 400 for an invalid query of %s, with the reason',
    async (path) => {
      const { port } = await startAdmin();
      const { status, body, headers } = await askAdmin(port, `/admin${path}?sort=password`);
      expect([status, headers['content-type']]).toEqual([400, 'application/json; charset=utf-8']);
      expect((JSON.parse(body) as { error: string }).error).toContain('sort must be one of since, user');
    },
  );

  test('shows refusals, newest first, and hosts that are down with the reason', async () => {
    const dead = await closedPort();
    const { port } = await startAdmin({
      // The host is tried again at once, but stays down until a connection succeeds.
      server: { port: dead, disableTime: 0.001 },
      user: userOf,
      rules: [{ when: { url: '/no' }, authenticate: () => false }],
    });
    expect(await statusOf(port, '/tunnel/no')).toBe(401);
    expect(await statusOf(port, '/tunnel/x?token=secret', { 'X-User': 'ann' })).toBe(502);
    const { refusals, backends, totals } = await stateAt(port);
    expect(refusals).toMatchObject([
      { status: 502, code: 'WSTUNNEL_BACKEND_REFUSED', user: 'ann', url: '/tunnel/x?token=***' },
      { status: 401, code: 'WSTUNNEL_NOT_AUTHENTICATED', address: '127.0.0.1', url: '/tunnel/no' },
    ]);
    expect(refusals[0]!.reason).toContain('ECONNREFUSED');
    expect(backends).toMatchObject([{ id: `127.0.0.1:${dead}`, up: false, tunnels: 0, failures: 1 }]);
    expect(backends[0]!.reason).toContain('ECONNREFUSED');
    expect(totals.refused).toEqual({ WSTUNNEL_BACKEND_REFUSED: 1, WSTUNNEL_NOT_AUTHENTICATED: 1 });
  });

  test('shows a host as down until its next connection, as the metrics do', async () => {
    const port = await closedPort();
    const site = await startAdmin({ server: { port, disableTime: 0.05 } });
    await requestTunnel(site.port).answer();
    await until(() => site.tunnel.stats().backends[0]?.up === true);
    expect((await stateAt(site.port)).backends).toMatchObject([{ up: false, failures: 1 }]);
    expect(site.tunnel.metrics()).toContain(`wstunnel_backend_up{backend="127.0.0.1:${port}"} 0`);
  });

  test('shows the processes of programs', async () => {
    const { port } = await startAdmin({
      server: { spawn: node(GREETER, { handOver: false }) },
    });
    const client = await openRaw(port);
    const pid = Number((await client.frame())!.payload.toString());
    const { programs, backends } = await stateAt(port);
    expect(programs).toMatchObject([{ backend: backends[0]!.id, state: 'running', pid, tunnels: 1 }]);
    expect(backends).toMatchObject([{ tunnels: 1 }]);
  });

  test('shows the round trip to the client, and queued bytes', async () => {
    const { port: backend } = await startBackend((socket) => socket.write(Buffer.alloc(30_000_000)));
    const { port } = await startAdmin({ server: { port: backend }, pingInterval: 0.1, pongTimeout: 0 });
    const slow = await openRaw(port);
    slow.socket.pause();
    await until(async () => (await stateAt(port)).tunnels[0]!.queued > 0);
    expect((await stateAt(port)).tunnels[0]).not.toHaveProperty('roundTrip');
    const { port: echo } = await startAdmin({ pingInterval: 0.1 });
    const client = await openRaw(echo);
    const ping = await client.frame();
    client.send(frame(10, ping!.payload));
    await until(async () => ((await stateAt(echo)).tunnels[0]?.roundTrip ?? 0) > 0);
  });

  test('shows the round trip of a tunnel to a backend that speaks WebSocket', async () => {
    const { tunnel, client } = await openFrames({ options: { pingInterval: 0.1 } });
    const { port } = await startApp((app) => app.use('/admin', tunnel.admin()));
    client.send(frame(10, (await client.frame())!.payload));
    await until(async () => ((await stateAt(port)).tunnels[0]?.roundTrip ?? 0) > 0);
  });

  test('shows hostile texts as JSON, unchanged except for their length', async () => {
    const users = [
      '<img src=x onerror=alert(1)>',
      'a\u0000\u001b[31m\n\u2028\u202e',
      'lone \ud800',
      '../../x',
      'x'.repeat(10_000),
    ];
    const { port } = await startAdmin({ user: ({ headers }) => users[Number(headers['x-user'])] });
    for (const index of users.keys()) await openRaw(port, '/tunnel', { 'X-User': String(index) });
    const { body, headers } = await askAdmin(port, '/admin/state?order=asc');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers['x-content-type-options']).toBe('nosniff');
    const shown = (JSON.parse(body) as { tunnels: { user: string }[] }).tunnels.map(({ user }) => user);
    expect(shown).toEqual([...users.slice(0, 4), `${'x'.repeat(999)}…`]);
    const events = await openEvents(port, '/admin/events?order=asc');
    await until(() => events.events.length > 0);
    expect(events.events[0]!.tunnels.map(({ user }) => user)).toEqual(shown);
  });

  test('shows the tunnel objects of several states, and ends their tunnels', async () => {
    const { port: backend } = await startEcho();
    const server = { port: backend };
    const [vnc, ssh] = [makeTunnel({ server, name: 'vnc' }), makeTunnel({ server, name: 'ssh' })];
    const { port } = await startApp((app) =>
      app.use('/vnc', vnc).use('/ssh', ssh).use('/admin', vnc.admin(ssh, vnc)).use('/own', ssh.admin()),
    );
    await openRaw(port, '/vnc');
    const client = await openRaw(port, '/ssh');
    const { tunnels, totals } = await stateAt(port, '?order=asc');
    expect(tunnels.map(({ name }) => name)).toEqual(['vnc', 'ssh']);
    expect(totals).toMatchObject({ open: 2, opened: 2 });
    expect((await stateAt(port, '', '/own')).tunnels.map(({ name }) => name)).toEqual(['ssh']);
    expect(await endAt(port, { tunnel: 'ssh' })).toEqual({ status: 200, answer: { ended: 1, silent: [] } });
    expect((await client.rest()).length).toBeGreaterThan(0);
    expect(() => vnc.admin({} as never)).toThrow('admin() takes tunnel objects');
  });

  test('admin and metrics as middleware, without a call, name the call to write', () => {
    const tunnel = makeTunnel({}) as unknown as Record<
      'admin' | 'metrics',
      (req: IncomingMessage) => unknown
    >;
    const req = new IncomingMessage(new Socket());
    expect(() => tunnel.admin(req)).toThrow('give the app the result of tunnel.admin(), not tunnel.admin');
    expect(() => tunnel.metrics(req)).toThrow('give the app the result of tunnel.metrics()');
  });
});

describe('GET /events', () => {
  test('sends a state at once and every second, until the tunnel object closes', async () => {
    const { port, tunnel } = await startAdmin();
    await openRaw(port);
    const stream = await openEvents(port);
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    await until(() => stream.events.length >= 2);
    expect(stream.text.startsWith('retry: 1000\n\n')).toBe(true);
    const [one, two] = stream.events;
    expect(two!.time - one!.time).toBeGreaterThan(500);
    expect(one!.tunnels.length).toBe(1);
    void tunnel.close({ grace: 5 });
    await until(() => stream.isEnded);
    expect((await stateAt(port)).draining).toBe(true);
    const late = await openEvents(port);
    await until(() => late.events.length === 1);
    await tunnel.close({ timeout: 0 });
    await until(() => late.isEnded);
    expect((await openEvents(port)).status).toBe(503);
  });

  test('reaches a page behind compression()', async () => {
    const { port } = await startAdmin({}, (app) =>
      app.use(compression({ threshold: 0, filter: () => true })),
    );
    const res = await fetch(`http://127.0.0.1:${port}/admin/events`, {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(res.headers.get('content-encoding')).toBe('gzip');
    const reader = res.body!.getReader();
    let text = '';
    while (text.split('event: state').length < 3)
      text += Buffer.from((await reader.read()).value!).toString();
    await reader.cancel();
  });

  test('a 33rd stream gets 503 with the reason, until another one has ended', async () => {
    const { port } = await startAdmin();
    const streams = await Promise.all(Array.from({ length: 32 }, () => openEvents(port)));
    expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
    const { status, body, headers } = await askAdmin(port, '/admin/events');
    expect([status, headers['retry-after'], body]).toEqual([
      503,
      '30',
      expect.stringContaining('at most 32'),
    ]);
    streams[0]!.res.destroy();
    await until(async () => {
      const next = await openEvents(port);
      next.res.destroy();
      return next.status === 200;
    });
  });

  test('does not keep the process or the server alive: a destroyed client leaves no stream', async () => {
    const { port, server } = await startAdmin();
    const stream = await openEvents(port);
    await until(() => stream.events.length === 1);
    stream.res.destroy();
    server.close();
    await once(server, 'close');
  });
});

describe('POST /end', () => {
  test('ends the tunnels of a user, with a code and a reason', async () => {
    const { port } = await startAdmin({ user: userOf });
    const [ann, , bob] = [
      await openRaw(port, '/tunnel', { 'X-User': 'ann' }),
      await openRaw(port, '/tunnel', { 'X-User': 'ann' }),
      await openRaw(port, '/tunnel', { 'X-User': 'bob' }),
    ];
    const ended = await endAt(port, { user: 'ann', code: 4001, reason: 'maintenance' });
    expect(ended).toEqual({ status: 200, answer: { ended: 2, silent: [] } });
    const close = await ann.frame();
    expect([close!.opcode, close!.payload.readUInt16BE(0), close!.payload.subarray(2).toString()]).toEqual([
      8,
      4001,
      'maintenance',
    ]);
    await bob.send(frame(2, 'hello')).payload(5);
  });

  test('ends one tunnel by id, with code 1008', async () => {
    const { port } = await startAdmin();
    const client = await openRaw(port);
    const { tunnels } = await stateAt(port);
    expect((await endAt(port, { id: tunnels[0]!.id })).answer).toEqual({ ended: 1, silent: [] });
    const close = await client.frame();
    expect([close!.payload.readUInt16BE(0), close!.payload.subarray(2).toString()]).toEqual([
      1008,
      'ended by an administrator',
    ]);
    await until(async () => (await stateAt(port)).matching === 0);
  });

  test.each([
    ['no field', {}, 'at least one of id, user, address, backend, tunnel'],
    ['only a reason', { reason: 'x' }, 'at least one of'],
    ['an unknown field', { usr: 'ann' }, 'did you mean "user"?'],
    ['a field of another type', { user: null }, 'user'],
    ['an invalid code', { user: 'ann', code: 1005 }, 'must be a close code that may be sent'],
    ['a reason of another type', { user: 'ann', reason: 5 }, 'reason must be a string'],
    ['a list', [{ user: 'ann' }], 'must be a JSON object'],
    ['null', null, 'must be a JSON object'],
    ['a prototype', '{"__proto__":{"user":"ann"}}', '__proto__'],
    ['no JSON', '{user:"ann"}', 'must be a JSON object'],
    ['no body', '', 'must be a JSON object'],
  ])('answers 400 for %s, and ends no tunnel', async (_, body, message) => {
    const { port, tunnel } = await startAdmin({ user: () => 'ann' });
    await openRaw(port);
    const { status, answer } = await endAt(port, body);
    expect([status, answer]).toEqual([400, { error: expect.stringContaining(message) as string }]);
    expect(tunnel.stats()).toMatchObject({ open: 1, closed: {} });
  });

  test.each<[string, Record<string, string>, number]>([
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ['text', { 'Content-Type': 'text/plain; charset=application/json' }, 415],
    ['a type that only begins like JSON', { 'Content-Type': 'application/jsonp' }, 415],
    ['another Origin', { Origin: 'http://evil.example' }, 403],
    ['the Origin null', { Origin: 'null' }, 403],
    ['another port', { Origin: 'http://localhost:1' }, 403],
    ['a page of another site', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['a page of a sister domain', { 'Sec-Fetch-Site': 'same-site' }, 403],
    [
      'a forwarded host that no proxy was trusted for',
      { Origin: 'http://evil.example', 'X-Forwarded-Host': 'evil.example' },
      403,
    ],
    ['JSON with a charset', { 'Content-Type': 'Application/JSON; charset=utf-8' }, 200],
    ['the own page', { Origin: 'http://localhost:PORT', 'Sec-Fetch-Site': 'same-origin' }, 200],
    ['a bookmark', { 'Sec-Fetch-Site': 'none' }, 200],
  ])('a request of %s gets %o %i', async (_, headers, expected) => {
    const { port } = await startAdmin({ user: () => 'ann' });
    await openRaw(port);
    const all = Object.fromEntries(
      Object.entries(headers).map(([k, v]) => [k, v.replace('PORT', String(port))]),
    );
    const { status } = await endAt(port, { user: 'ann' }, all);
    expect(status).toBe(expected);
    await until(async () => (await stateAt(port)).matching === (expected === 200 ? 0 : 1));
  });

  test('accepts at most 4 KiB, and a body that stops gets no answer of 200', async () => {
    const { port } = await startAdmin();
    const large = await endAt(port, { user: 'x'.repeat(5000) });
    expect([large.status, large.answer]).toEqual([413, { error: 'the body must have at most 4096 bytes' }]);
    expect((await endAt(port, { user: 'x'.repeat(4000) })).status).toBe(200);
  });

  test.each([
    ['express.json()', express.json()],
    ['express.text()', express.text({ type: '*/*' })],
    ['express.raw()', express.raw({ type: '*/*' })],
    ['express.urlencoded()', express.urlencoded({ extended: true })],
  ])('works behind %s', async (_, parser) => {
    const { port } = await startAdmin({ user: () => 'ann' }, (app) => app.use(parser));
    await openRaw(port);
    expect(await endAt(port, { user: 'ann' })).toEqual({ status: 200, answer: { ended: 1, silent: [] } });
    expect((await endAt(port, {})).status).toBe(400);
  });

  test.each([
    ['express.json() of another type', express4.json({ type: 'application/x' })],
    ['express.text()', express4.text()],
    ['express.urlencoded()', express4.urlencoded({ extended: true })],
  ])('works behind %s of Express 4, which sets an empty body', async (_, parser) => {
    const { port } = await startAdmin({ user: () => 'ann' }, (app) => app.use(parser));
    await openRaw(port);
    expect(await endAt(port, { user: 'ann' })).toEqual({ status: 200, answer: { ended: 1, silent: [] } });
    expect((await endAt(port, {})).status).toBe(400);
  });

  test('a body that the app has read without setting req.body gets 400 at once', async () => {
    const { port } = await startAdmin({}, (app) =>
      app.use('/admin', (req, _res, next) => {
        if (req.method === 'POST') req.resume().once('end', next);
        else next();
      }),
    );
    const { status, answer } = await endAt(port, { user: 'ann' });
    expect([status, answer]).toEqual([
      400,
      { error: expect.stringContaining('the app has read the body') as string },
    ]);
  });
});

describe('paths and methods', () => {
  test('the mount without a slash leads to the page, and unknown paths to the app', async () => {
    const { port } = await startAdmin({}, (app) =>
      app.get('/admin/other', (_req, res) => void res.end('app')),
    );
    const redirect = await askAdmin(port, '/admin?x=1');
    expect([redirect.status, redirect.headers.location]).toEqual([302, './admin/?x=1']);
    const page = await askAdmin(port, '/admin/');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(page.headers['referrer-policy']).toBe('no-referrer');
    const cached = await askAdmin(port, '/admin/', { headers: { 'If-None-Match': page.headers.etag } });
    expect([cached.status, cached.body]).toEqual([304, '']);
    for (const path of [
      '/admin/nothing',
      '/admin/../package.json',
      '/admin/%2e%2e/src',
      '/admin/page/',
      '/admin/State',
    ])
      expect((await askAdmin(port, path)).status, path).toBe(404);
  });

  test('a redirect never leads to another host', async () => {
    const { tunnel } = await startAdmin();
    const admin = tunnel.admin();
    const { port } = await startApp((app) =>
      app.use((req, res, next) => {
        req.originalUrl = req.url;
        req.url = '/';
        admin(req, res, next);
      }),
    );
    for (const path of ['//evil.example', '/a/..//evil.example', '/\\evil.example', '/https:evil.example']) {
      const { headers } = await askAdmin(port, path);
      expect(new URL(headers.location ?? '/', `http://127.0.0.1:${port}/x/y`).host, path).toBe(
        `127.0.0.1:${port}`,
      );
    }
  });

  test('HEAD has the headers of GET and no body, also for an event stream', async () => {
    const { port } = await startAdmin();
    for (const path of ['/', '/state', '/events']) {
      const { status, body, headers } = await askAdmin(port, `/admin${path}`, { method: 'HEAD' });
      expect([status, body], path).toEqual([200, '']);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
    }
  });

  test.each([
    ['DELETE', '/state', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
    ['OPTIONS', '/events', 'GET, HEAD'],
    ['GET', '/end', 'POST'],
    ['OPTIONS', '/end', 'POST'],
  ])('%s %s gets 405 with Allow: %s', async (method, path, allow) => {
    const { port } = await startAdmin();
    const { status, headers } = await askAdmin(port, `/admin${path}`, { method });
    expect([status, headers.allow]).toEqual([405, allow]);
  });

  test("the app's own check applies to every path", async () => {
    const { port } = await startAdmin({}, (app) =>
      app.use('/admin', (_req, res) => void res.status(401).end()),
    );
    for (const path of ['', '/', '/state', '/events', '/end', '/page.js'])
      expect((await askAdmin(port, `/admin${path}`)).status, path).toBe(401);
  });
});

describe('mountings', () => {
  const build = async () => {
    const { port } = await startEcho();
    return makeTunnel({ server: { port }, user: () => 'ann' });
  };

  test.each([
    ['Express 5', express],
    ['Express 4', express4],
    ['Connect', connectApp as unknown as typeof express],
  ])('%s', async (_, framework) => {
    const tunnel = await build();
    const app = framework();
    app.use('/tunnel', tunnel);
    app.use('/a/admin', tunnel.admin());
    const server = createServer(app);
    await listen(server);
    const port = portOf(server);
    await openRaw(port);
    expect((await askAdmin(port, '/a/admin')).headers.location).toBe('./admin/');
    expect((await askAdmin(port, '/a/admin/')).status).toBe(200);
    expect((await stateAt(port, '?q=ann', '/a/admin')).matching).toBe(1);
    expect((await endAt(port, { user: 'ann' }, {}, '/a/admin/end')).answer).toMatchObject({ ended: 1 });
    expect((await askAdmin(port, '/a/admin/other')).status).toBe(404);
  });

  test('works in plain http', async () => {
    const tunnel = await build();
    const admin = tunnel.admin();
    const server = createServer((req, res) => admin(req, res, () => res.writeHead(404).end()));
    await listen(server);
    const port = portOf(server);
    expect((await askAdmin(port, '/')).status).toBe(200);
    expect((await stateAt(port, '', '')).matching).toBe(0);
    expect((await askAdmin(port, '/other')).status).toBe(404);
  });

  test('works over HTTP/2', async () => {
    const { tunnel, app, port } = await startHttp2Tunnel({ user: () => 'ann' });
    app.use('/admin', tunnel.admin());
    const session = await connectHttp2(port);
    const headers = {
      ...{ ':path': '/admin/end', ':method': 'POST', 'content-type': 'application/json' },
      origin: `https://localhost:${port}`,
    };
    const status = async (own: OutgoingHttpHeaders, body?: string) => {
      const stream = session.request(own, { endStream: body === undefined });
      if (body !== undefined) stream.end(body);
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
      stream.close();
      return answer[':status'];
    };
    await openOverHttp2(session);
    expect(await status({ ...headers, origin: 'https://evil.example' }, '{"user":"ann"}')).toBe(403);
    expect(await status({ ...headers, 'content-type': 'text/plain' }, '{"user":"ann"}')).toBe(415);
    expect(tunnel.stats().closed).toEqual({});
    expect(await status(headers, JSON.stringify({ user: 'x'.repeat(5000) }))).toBe(413);
    expect(await status(headers, '{"user":"ann"}')).toBe(200);
    await until(() => tunnel.stats().closed[1008] === 1);
    expect(await status({ ':path': '/admin/state', ':method': 'HEAD' })).toBe(200);
    const events = session.request({ ':path': '/admin/events' });
    let text = '';
    events.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.split('event: state').length > 2);
    void tunnel.close({ timeout: 0 });
    await once(events, 'close');
  });
});

describe('faults', () => {
  test('a response that the app has ended, or that throws, passes no error to the app', async () => {
    const { tunnel } = await startAdmin();
    const admin = tunnel.admin();
    const errors: unknown[] = [];
    const { port } = await startApp((app) =>
      app
        .use('/late', (req, res, next) => {
          admin(req, res, next);
          setImmediate(() => res.end());
        })
        .use('/broken', (req, res, next) => {
          const setHeader = res.setHeader.bind(res);
          res.setHeader = (name, value) => {
            if (name === 'Referrer-Policy') throw new Error('a broken response');
            return setHeader(name, value);
          };
          admin(req, res, next);
          setTimeout(() => res.destroy(), 100);
        })
        .use((error: unknown, _req: unknown, res: express.Response, next: unknown) => {
          errors.push(error, next);
          res.end();
        }),
    );
    const late = await openEvents(port, '/late/events');
    await until(() => late.isEnded);
    await expect(askAdmin(port, '/broken/state')).rejects.toThrow();
    expect((await stateAt(port, '', '/late').catch(() => undefined)) ?? true).toBeTruthy();
    expect(errors).toEqual([]);
  });

  test('clients over HTTP/2 that leave during the check of the app use up no event streams', async () => {
    const admin = makeTunnel({ server: { port: await closedPort() } }).admin();
    const checked = deferred();
    let checks = 0;
    const { port } = await startHttp2((req, res) => {
      checks++;
      void checked.promise.then(() => admin(req, res, () => res.end()));
    });
    const session = await connectHttp2(port);
    for (let count = 1; count <= 33; count++) {
      const stream = session.request({ ':path': '/events' }).on('error', () => undefined);
      await until(() => checks === count);
      stream.close(constants.NGHTTP2_CANCEL);
    }
    // The server has seen all resets before this answer.
    await new Promise((resolve) => session.ping(resolve));
    checked.resolve();
    const [answer] = (await once(session.request({ ':path': '/events' }), 'response')) as [
      IncomingHttpHeaders,
    ];
    expect(answer[':status']).toBe(200);
  });

  test('an event stream that nobody reads is freed, with bounded memory', { timeout: 60_000 }, async () => {
    const { port, tunnel } = await startAdmin({ user: () => 'u'.repeat(1000) });
    for (let count = 0; count < 50; count++) await openRaw(port, `/tunnel/${'x'.repeat(2000)}`);
    const gone = deferred();
    const { port: admin } = await startApp((app) =>
      app.use((req, res, next) => {
        if (req.url === '/events') res.once('close', () => gone.resolve());
        tunnel.admin()(req, res, next);
      }),
    );
    const stream = await openEvents(admin, '/events');
    stream.res.pause();
    stream.res.socket.pause();
    await gone.promise;
    await sleep(0);
    expect(tunnel.stats().open).toBe(50);
  });
});
