import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import createDebug from 'debug';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClosedInfo, RefuseInfo, TunnelInfo, TunnelOptions } from '../../src/index.js';
import { closeFrame, frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { closedPort, makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

async function refusal(port: number, target = '/tunnel', headers = {}): Promise<number> {
  const client = requestTunnel(port, target, headers);
  const { status } = await client.answer();
  await client.rest();
  client.socket.end();
  return status;
}

describe('the events of a tunnel', () => {
  test('open and close describe the same tunnel', async () => {
    const { port, tunnel, backend } = await startTunnel();
    const heard: [string, TunnelInfo | ClosedInfo][] = [];
    tunnel.on('open', (info) => heard.push(['open', info]));
    tunnel.on('close', (info) => heard.push(['close', info]));
    const before = Date.now();
    const client = await openRaw(port);
    client.send(frame(2, 'hello'));
    await client.payload(5);
    expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1, bytesIn: 5, bytesOut: 5, closed: {} });
    client.send(closeFrame(3000, 'done')).socket.end();
    await until(() => heard.length === 2);
    const [[, open], [, close]] = heard as [[string, TunnelInfo], [string, ClosedInfo]];
    expect(heard.map(([name]) => name)).toEqual(['open', 'close']);
    expect(open).toEqual({
      id: open.id,
      url: '/tunnel',
      address: '127.0.0.1',
      backend: `127.0.0.1:${backend!.port}`,
      since: open.since,
      bytesIn: 0,
      bytesOut: 0,
      viewOnly: false,
      timings: {
        opening: expect.any(Number) as number,
        auth: expect.any(Number) as number,
        connect: expect.any(Number) as number,
      },
    });
    expect(open.since).toBeGreaterThanOrEqual(before);
    expect(close).toEqual({
      ...open,
      bytesIn: 5,
      bytesOut: 5,
      timings: { ...open.timings, firstByte: expect.any(Number) as number },
      cause: 'client-closed',
      code: 3000,
      reason: 'done',
      duration: close.duration,
    });
    expect(close.duration).toBeGreaterThanOrEqual(0);
    expect(close.duration).toBeLessThanOrEqual((Date.now() - before) / 1000);
    expect(tunnel.stats()).toMatchObject({
      open: 0,
      opened: 1,
      bytesIn: 5,
      bytesOut: 5,
      closed: { 3000: 1 },
    });
  });

  test('name the durations of an opening in seconds, and a part that was not reached is missing', async () => {
    const { port, tunnel } = await startTunnel({
      authenticate: async (req) => {
        await sleep(60);
        return req.headers['x-login'] === 'yes';
      },
      server: {
        connect: async () => {
          await sleep(60);
          return new PassThrough();
        },
      },
    });
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    expect(await refusal(port)).toBe(401);
    const [{ timings: ofRefusal }] = await refused;
    expect(ofRefusal?.auth).toBeGreaterThan(0.05);
    expect(ofRefusal?.opening).toBeGreaterThanOrEqual(ofRefusal?.auth ?? 1);
    expect(Object.keys(ofRefusal ?? {}).sort()).toEqual(['auth', 'opening']);

    const closed = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    const client = await openRaw(port, '/tunnel', { 'X-Login': 'yes' });
    expect(tunnel.tunnels()[0]).not.toHaveProperty('timings');
    await sleep(60);
    await client.send(frame(2, 'hello')).payload(5);
    client.send(closeFrame(1000)).socket.end();
    const [{ timings, duration }] = await closed;
    expect(timings?.auth).toBeGreaterThan(0.05);
    expect(timings?.connect).toBeGreaterThan(0.05);
    expect(timings?.opening).toBeGreaterThan(0.1);
    expect(timings?.firstByte).toBeGreaterThan(0.05);
    expect(timings?.firstByte).toBeLessThanOrEqual(duration);
  });

  test('have distinct ids, and stats() counts open and past tunnels', async () => {
    const { port, tunnel } = await startTunnel();
    const ids = new Set<string>();
    tunnel.on('open', ({ id }) => ids.add(id));
    for (const client of [await openRaw(port), await openRaw(port), await openRaw(port)])
      await client.send(frame(2, 'abc')).payload(3);
    expect(ids.size).toBe(3);
    tunnel.end(({ id }) => id === [...ids][0]);
    expect(tunnel.stats()).toMatchObject({ opened: 3, bytesIn: 9, bytesOut: 9 });
  });

  test.each<[unknown, string | undefined]>([
    [{ username: 'ada', name: 'Ada', id: 7 }, 'ada'],
    [{ name: 'Ada', id: 7 }, 'Ada'],
    [{ email: 'ada@desk.example' }, 'ada@desk.example'],
    [{ id: 7 }, '7'],
    [{ id: 0 }, '0'],
    ['ada', 'ada'],
    [{ username: { first: 'Ada' }, password: 'secret' }, undefined],
    [{}, undefined],
    [null, undefined],
    [undefined, undefined],
  ])("name Passport's req.user %o as user %s", async (user, name) => {
    const backend = await startEcho();
    const tunnel = makeTunnel({ server: { port: backend.port } });
    const { port } = await startApp((app) => {
      app.use((req, _res, next) => {
        if (user !== undefined) Object.assign(req, { user });
        next();
      });
      app.use('/tunnel', tunnel);
    });
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    await openRaw(port);
    const [info] = await opened;
    expect(info.user).toBe(name);
    expect('user' in info).toBe(name !== undefined);
  });

  test('a refusal after the login names the user', async () => {
    const down = await closedPort();
    const { port, tunnel } = await startTunnel({ user: () => 'ada', server: { port: down } });
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    expect(await refusal(port)).toBe(502);
    expect((await refused)[0]).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/) as string,
      url: '/tunnel',
      address: '127.0.0.1',
      user: 'ada',
      status: 502,
      code: 'WSTUNNEL_BACKEND_REFUSED',
      reason: 'the backend could not be reached',
      backend: `127.0.0.1:${down}`,
      failure: `connect ECONNREFUSED 127.0.0.1:${down}`,
      timings: {
        opening: expect.any(Number) as number,
        auth: expect.any(Number) as number,
        connect: expect.any(Number) as number,
      },
    });
  });

  test.each([
    ['/tunnel?token=secret&name=secret', '/tunnel?token=***&name=***'],
    ['/tunnel?secret', '/tunnel?***'],
    ['/tunnel/a?x=1?secret=secret', '/tunnel/a?x=***'],
    ['http://user:secret@desk.example/tunnel?token=secret', 'http://***@desk.example/tunnel?token=***'],
  ])('contain the url of %s', async (target, url) => {
    const { port, tunnel } = await startTunnel();
    const infos: { url: string }[] = [];
    for (const name of ['open', 'close', 'refuse'] as const)
      tunnel.on(name, (info: { url: string }) => infos.push(info));
    await openRaw(port, target);
    expect(await refusal(port, target, { 'Sec-WebSocket-Key': 'x' })).toBe(400);
    tunnel.end(({ url: shown }) => shown === url);
    await tunnel.close({ timeout: 0 });
    expect(infos.map((info) => info.url)).toEqual([url, url, url]);
    expect(JSON.stringify(infos)).not.toContain('secret');
  });
});

function raise(why: string): never {
  throw new Error(why);
}

describe('secrets and users in events and statistics', () => {
  test('a refusal names the user known to the app, also before the tunnel asks for it', async () => {
    const { port, tunnel } = await startTunnel({ user: () => 'ann' });
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    expect(await refusal(port, '/tunnel', { Origin: 'http://evil.example' })).toBe(403);
    expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_ORIGIN_REFUSED', user: 'ann' });
  });

  test('stats() contains no TLS key of a backend', () => {
    const tunnel = makeTunnel({
      server: { port: 1, tls: { passphrase: 'secret', rejectUnauthorized: false } },
    });
    const [backend] = tunnel.stats().backends;
    expect(backend?.host).toMatchObject({ port: 1, tls: true });
    expect(JSON.stringify(tunnel.stats())).not.toMatch(/secret/i);
  });
});

describe('a listener that fails', () => {
  test.each([
    ['throws', (why: string) => raise(why)],
    ['rejects', (why: string) => Promise.reject(new Error(why))],
  ])('%s: does no harm, and causes a warning', async (_how, fails) => {
    const warnings: string[] = [];
    const warn = vi
      .spyOn(process, 'emitWarning')
      .mockImplementation((warning) => warnings.push(String(warning)));
    const dead = await closedPort();
    const { port: alive } = await startEcho();
    const server = [{ port: dead }, { port: alive }];
    const { port, tunnel } = await startTunnel({
      server,
      authenticate: (req) => req.headers['x-login'] === 'yes',
    });
    for (const name of ['open', 'close', 'refuse', 'backend'] as const)
      tunnel.on(name, () => fails(`broken ${name}`));
    expect(await refusal(port)).toBe(401);
    const client = await openRaw(port, '/tunnel', { 'X-Login': 'yes' });
    expect((await client.send(frame(2, 'hello')).payload(5)).toString()).toBe('hello');
    client.send(closeFrame(1000));
    expect(await client.close()).toMatchObject({ code: 1000 });
    client.socket.end();
    await until(() => tunnel.stats().open === 0);
    expect(warnings).toEqual(
      ['refuse', 'backend', 'open', 'close'].map(
        (name) => `wstunnel: a listener for '${name}' failed: broken ${name}`,
      ),
    );
    expect(tunnel.stats().backends).toMatchObject([{ load: 0 }, { load: 0 }]);
    warn.mockRestore();
  });
});

describe('debug output', () => {
  let lines: string[];
  beforeEach(() => {
    lines = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => {
    createDebug.disable();
    vi.restoreAllMocks();
  });

  /** Produces each kind of line: a failed hook, a dead backend, a refusal, a tunnel from open to close. */
  async function everything(debug: number): Promise<string> {
    const { port: alive } = await startEcho();
    const server = [{ port: await closedPort() }, { port: alive }];
    const authenticate: TunnelOptions['authenticate'] = (req) => {
      if (req.headers['x-login'] === 'broken') throw new Error('login is broken');
      return req.headers['x-login'] === 'yes';
    };
    const { port, tunnel } = await startTunnel({ server, authenticate, debug });
    const secret = {
      Cookie: 'sid=secret',
      Authorization: 'Bearer secret',
      'Sec-WebSocket-Protocol': 'binary, secret',
      'X-Token': 'secret',
    };
    const target = '/tunnel?token=secret&secret';
    expect(await refusal(port, target, { ...secret, 'X-Login': 'broken' })).toBe(500);
    expect(await refusal(port, target, secret)).toBe(401);
    const client = await openRaw(port, target, { ...secret, 'X-Login': 'yes' });
    await client.send(frame(2, 'secret')).payload(6);
    client.send(closeFrame(1000, 'bye\nwstunnel forged')).socket.end();
    await until(() => tunnel.stats().open === 0);
    return lines.join('');
  }
  const kinds = (text: string) =>
    [
      /login is broken/,
      /ECONNREFUSED/,
      /refused .* WSTUNNEL_NOT_AUTHENTICATED/,
      / opened: /,
      / closed 1000 /,
    ].map((kind) => kind.test(text));

  test.each([
    [0, [false, false, false, false, false]],
    [1, [true, false, false, false, false]],
    [2, [true, true, false, false, false]],
    [3, [true, true, true, true, true]],
    [4, [true, true, true, true, true]],
    [65535, [true, true, true, true, true]],
  ])('at level %i', async (debug, expected) => {
    const text = await everything(debug);
    expect(kinds(text)).toEqual(expected);
    if (debug === 0) expect(text).toBe('');
  });

  test('is complete at level 0 with DEBUG=wstunnel:*', async () => {
    createDebug.enable('wstunnel:*');
    const text = await everything(0);
    expect(kinds(text)).toEqual([true, true, true, true, true]);
    for (const area of ['guard', 'backend', 'tunnel']) expect(text).toContain(`wstunnel:${area}`);
  });

  test('never contains cookies, tokens, passwords, payload, or line breaks of a client', async () => {
    createDebug.enable('wstunnel:*');
    const text = await everything(65535);
    expect(text).toContain('/tunnel?token=***&***');
    expect(text).not.toContain('secret');
    expect(text).toContain('bye\\u000awstunnel forged');
  });
});
