import { once } from 'node:events';
import type { RequestHandler } from 'express';
import { describe, expect, test } from 'vitest';
import { RecentEnds } from '../../src/guard/recent-ends.js';
import type { RefuseInfo, TunnelInfo, TunnelOptions } from '../../src/index.js';
import { connectHeaders, connectHttp2, startHttp2Tunnel } from '../support/http2.js';
import { requestTunnel } from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho } from '../support/servers.js';
import { deferred, until } from '../support/wait.js';

type Named = { user?: string };

/** A middleware that delays each request until the test releases it; only then the user is set. */
function gate() {
  const waiting: (() => void)[] = [];
  const handler: RequestHandler = (req, _res, next) => {
    const name = req.headers['x-user'];
    waiting.push(() => {
      (req as unknown as Named).user = name as string;
      next();
    });
  };
  return { handler, waiting };
}

async function startGated(options: Partial<TunnelOptions> = {}) {
  const { handler, waiting } = gate();
  const { port: backend } = await startEcho();
  const tunnel = makeTunnel({ server: { port: backend }, ...options });
  const site = await startApp((app) => app.use('/tunnel', handler, tunnel));
  const ask = async (user: string) => {
    const before = waiting.length;
    const client = requestTunnel(site.port, '/tunnel', { 'X-User': user });
    await until(() => waiting.length > before);
    return client;
  };
  return { ...site, tunnel, waiting, ask, backend };
}

describe('issue 12, case 9: end() and requests whose user is not known yet', () => {
  test("inside the app's middleware: the matching request is refused, others and later logins open", async () => {
    const { tunnel, waiting, ask } = await startGated();
    const [ada, bob] = [await ask('ada'), await ask('bob')];
    expect(tunnel.end(({ user }) => user === 'ada', 1008, 'logged out')).toBe(0);
    const again = await ask('ada');
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    waiting.forEach((goOn) => goOn());
    expect(
      [await ada.answer(), await bob.answer(), await again.answer()].map(({ status }) => status),
    ).toEqual([403, 101, 101]);
    expect((await refused)[0]).toMatchObject({
      code: 'WSTUNNEL_ENDED',
      status: 403,
      reason: 'logged out',
      user: 'ada',
    });
  });

  test('inside authenticate, which sets the user when it returns', async () => {
    const login = deferred<() => void>();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({
      server: { port: backend },
      authenticate: (req) =>
        new Promise((resolve) => {
          login.resolve(() => {
            (req as Named).user = 'ada';
            resolve(true);
          });
        }),
    });
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    const client = requestTunnel(port);
    const finish = await login.promise;
    expect(tunnel.end(({ user }) => user === 'ada')).toBe(0);
    finish();
    expect((await client.answer()).status).toBe(403);
    expect(tunnel.stats()).toMatchObject({ opened: 0, opening: 0, refused: { WSTUNNEL_ENDED: 1 } });
  });

  test('during the connection to the backend, known right before the 101', async () => {
    const target = deferred<() => void>();
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({
      server: () => new Promise((resolve) => target.resolve(() => resolve({ port: backend }))),
    });
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    const client = requestTunnel(port);
    const goOn = await target.promise;
    const id = `127.0.0.1:${backend}`;
    expect(tunnel.end((one) => one.backend === id)).toBe(0);
    goOn();
    expect((await client.answer()).status).toBe(403);
    expect(tunnel.stats()).toMatchObject({ open: 0, opened: 0, refused: { WSTUNNEL_ENDED: 1 } });
  });

  test('applies over HTTP/2 as well', async () => {
    const { handler, waiting } = gate();
    const { port, tunnel } = await startHttp2Tunnel({}, (app) => app.use(handler));
    const session = await connectHttp2(port);
    const stream = session.request(connectHeaders('/tunnel', { 'x-user': 'ada' }), { endStream: false });
    stream.on('error', () => undefined);
    await until(() => waiting.length === 1);
    tunnel.end(({ user }) => user === 'ada');
    const answered = once(stream, 'response') as Promise<[{ ':status'?: number }]>;
    waiting[0]?.();
    expect((await answered)[0][':status']).toBe(403);
  });

  test('the filter gets all that is known, and never a later request', async () => {
    const { tunnel, waiting, ask } = await startGated();
    const first = await ask('ada');
    const seen: TunnelInfo[] = [];
    tunnel.end((one) => {
      seen.push(one);
      return false;
    });
    waiting[0]?.();
    expect((await first.answer()).status).toBe(101);
    expect(seen.length).toBeGreaterThan(0);
    for (const one of seen)
      expect(one).toMatchObject({ user: 'ada', url: '/tunnel', address: '127.0.0.1', bytesIn: 0 });
    expect(seen.at(-1)?.backend).toMatch(/^127\.0\.0\.1:\d+$/);
    const asked = seen.length;
    const second = await ask('ada');
    waiting[1]?.();
    expect((await second.answer()).status).toBe(101);
    expect(seen).toHaveLength(asked);
  });

  test('a filter that throws later refuses that request with 500, and no other', async () => {
    const { tunnel, waiting, ask } = await startGated();
    const first = await ask('ada');
    let calls = 0;
    tunnel.end(() => {
      calls++;
      throw new Error('broken filter');
    });
    expect(calls).toBe(0);
    const second = await ask('ada');
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    waiting.forEach((goOn) => goOn());
    expect([(await first.answer()).status, (await second.answer()).status]).toEqual([500, 101]);
    expect((await refused)[0]).toMatchObject({
      code: 'WSTUNNEL_HOOK_FAILED',
      reason: 'the filter of end() failed: broken filter',
    });
  });

  test('a filter that throws at once ends nothing and is not remembered', async () => {
    const { tunnel, waiting, ask } = await startGated();
    const open = await ask('bob');
    waiting[0]?.();
    expect((await open.answer()).status).toBe(101);
    const pending = await ask('ada');
    expect(() =>
      tunnel.end(() => {
        throw new Error('broken filter');
      }),
    ).toThrow('broken filter');
    waiting[1]?.();
    expect((await pending.answer()).status).toBe(101);
  });

  test('an end of all tunnels does not affect later requests', async () => {
    const { tunnel, waiting, ask } = await startGated();
    const before = await ask('ada');
    tunnel.end(() => true);
    const after = await ask('ada');
    waiting.forEach((goOn) => goOn());
    expect([(await before.answer()).status, (await after.answer()).status]).toEqual([403, 101]);
  });

  test('stats().opening counts requests that have reached the tunnel', async () => {
    const passed = deferred<(passes: boolean) => void>();
    const { tunnel, waiting, ask } = await startGated({
      authenticate: () => new Promise((resolve) => passed.resolve(resolve)),
    });
    const client = await ask('ada');
    expect(tunnel.stats().opening).toBe(0);
    waiting[0]?.();
    const pass = await passed.promise;
    expect(tunnel.stats()).toMatchObject({ open: 0, opening: 1 });
    pass(true);
    expect((await client.answer()).status).toBe(101);
    expect(tunnel.stats()).toMatchObject({ open: 1, opening: 0 });
  });
});

describe('the memory of past end() calls', () => {
  const info = (user: string) => ({ user }) as TunnelInfo;
  const isAda = ({ user }: TunnelInfo) => user === 'ada';

  test('is bounded in number: a request older than a forgotten call gets 503 and may try again', () => {
    const ends = new RecentEnds(60);
    const arrived = performance.now();
    ends.add(isAda, 'logged out');
    for (let n = 0; n < 999; n++) ends.add(() => false, 'others');
    expect(ends.refusalOf(info('ada'), arrived)).toMatchObject({ status: 403, message: 'logged out' });
    expect(ends.refusalOf(info('bob'), arrived)).toBeUndefined();
    ends.add(() => false, 'one more');
    for (const name of ['ada', 'bob'])
      expect(ends.refusalOf(info(name), arrived)).toMatchObject({
        code: 'WSTUNNEL_ENDED',
        status: 503,
        headers: { 'Retry-After': '1' },
      });
    expect(ends.refusalOf(info('ada'), performance.now())).toBeUndefined();
  });

  test('is bounded in time', async () => {
    const ends = new RecentEnds(0.05);
    const arrived = performance.now();
    ends.add(isAda, 'logged out');
    expect(ends.refusalOf(info('ada'), arrived)?.status).toBe(403);
    await until(() => ends.refusalOf(info('bob'), arrived)?.status === 503);
    expect(ends.refusalOf(info('ada'), performance.now())).toBeUndefined();
  });
});

test('an open tunnel of the user is ended by the same call', async () => {
  const { tunnel, waiting, ask } = await startGated();
  const open = await ask('ada');
  waiting[0]?.();
  expect((await open.answer()).status).toBe(101);
  const opening = await ask('ada');
  expect(tunnel.end(({ user }) => user === 'ada')).toBe(1);
  expect(await open.close()).toMatchObject({ code: 1008 });
  waiting[1]?.();
  expect((await opening.answer()).status).toBe(403);
  const late = await ask('ada');
  waiting[2]?.();
  expect((await late.answer()).status).toBe(101);
});
