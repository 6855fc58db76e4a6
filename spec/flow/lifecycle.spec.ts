import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import { TunnelError, wstunnel, type ClosedInfo, type RefuseInfo, type Tunnel } from '../../src/index.js';
import { closeFrame, openRaw, type RawClient, requestTunnel, statusOf } from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startHttp, startTunnel } from '../support/servers.js';
import { deferred, until } from '../support/wait.js';

/** Reads the server's Close and answers with a Close. */
async function farewell(client: RawClient): Promise<{ code: number; reason: string } | undefined> {
  const close = await client.close();
  if (close) client.send(closeFrame(close.code)).socket.end();
  return close;
}

describe('close()', () => {
  test('drains: new requests get 503, open tunnels Close 1001, and the server loses its listener', async () => {
    const { port, server, tunnel, backend } = await startTunnel();
    const client = await openRaw(port);
    const ended = once(tunnel, 'close') as Promise<[ClosedInfo]>;
    expect(tunnel.draining).toBe(false);
    expect(server.listenerCount('upgrade')).toBe(1);
    const closing = tunnel.close();
    expect(tunnel.draining).toBe(true);
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    const late = requestTunnel(port);
    expect(await late.answer()).toMatchObject({
      status: 503,
      headers: { connection: 'close', 'retry-after': '1' },
    });
    expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_DRAINING', status: 503 });
    expect(await farewell(client)).toEqual({ code: 1001, reason: 'the server is closing' });
    await closing;
    expect((await ended)[0]).toMatchObject({ code: 1001, reason: 'the server is closing' });
    expect(tunnel.stats()).toMatchObject({ open: 0, closed: { 1001: 1 } });
    expect(server.listenerCount('upgrade')).toBe(0);
    expect(backend?.sockets.size).toBe(0);
    expect(await statusOf(port)).toBe(503);
  });

  test('sends a code and a reason', async () => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    const closing = tunnel.close({ code: 4000, reason: 'maintenance' });
    expect(await farewell(client)).toEqual({ code: 4000, reason: 'maintenance' });
    await closing;
  });

  test('waits for tunnels that end slowly', async () => {
    const { port, tunnel } = await startTunnel({ closeTimeout: 60 });
    const clients = [await openRaw(port), await openRaw(port)] as const;
    let done = false;
    const closing = tunnel.close({ timeout: 60 }).then(() => (done = true));
    expect(await farewell(clients[0])).toMatchObject({ code: 1001 });
    await clients[0].closed();
    await until(() => tunnel.stats().open === 1);
    expect(done).toBe(false);
    expect(await farewell(clients[1])).toMatchObject({ code: 1001 });
    await closing;
  });

  test('destroys tunnels that exceed the timeout', async () => {
    const { port, tunnel, backend } = await startTunnel({ closeTimeout: 60 });
    const client = await openRaw(port);
    await tunnel.close({ timeout: 0.05 });
    expect(tunnel.stats().open).toBe(0);
    client.socket.end();
    await client.closed();
    await until(() => backend?.sockets.size === 0);
  });

  test('with timeout 0 does not wait', async () => {
    const { port, tunnel } = await startTunnel({ closeTimeout: 60 });
    const client = await openRaw(port);
    await tunnel.close({ timeout: 0 });
    expect(tunnel.stats().open).toBe(0);
    await client.ended();
  });

  test('refuses requests that are opening', async () => {
    let asked = 0;
    const signals: AbortSignal[] = [];
    const { port, tunnel } = await startTunnel({
      authenticate: (_req, { signal }) => {
        signals.push(signal);
        return new Promise(() => asked++);
      },
    });
    const client = requestTunnel(port);
    await until(() => asked === 1);
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    await tunnel.close();
    expect((await client.answer()).status).toBe(503);
    expect((await refused)[0].code).toBe('WSTUNNEL_DRAINING');
    expect(signals[0]?.aborted).toBe(true);
  });

  test('waits for the Close of a refusal as well', async () => {
    const { port, tunnel } = await startTunnel({
      authenticate: () => false,
      refuseWith: 'close',
      closeTimeout: 60,
    });
    const client = requestTunnel(port);
    expect((await client.answer()).status).toBe(101);
    expect(await client.close()).toMatchObject({ code: 4401 });
    await tunnel.close({ timeout: 0.05 });
    await client.ended();
  });

  test('called twice does the same work once', async () => {
    const { tunnel, port } = await startTunnel();
    const client = await openRaw(port);
    const first = tunnel.close({ reason: 'first' });
    const second = tunnel.close({ reason: 'second' });
    expect(second).toBe(first);
    expect(await farewell(client)).toMatchObject({ reason: 'first' });
    await first;
    expect(tunnel.close()).toBe(first);
  });

  test('is called by asyncDispose', async () => {
    const { port, server, tunnel } = await startTunnel({ closeTimeout: 0.05 });
    const client = await openRaw(port);
    const disposed = tunnel[Symbol.asyncDispose]();
    expect(tunnel.draining).toBe(true);
    expect(await farewell(client)).toMatchObject({ code: 1001 });
    await disposed;
    expect(server.listenerCount('upgrade')).toBe(0);
    expect(tunnel.close()).toBe(tunnel.close());
  });

  test('works for a tunnel that never had a server', async () => {
    const tunnel = wstunnel({ server: { port: 1 } });
    await tunnel.close();
    expect(tunnel.draining).toBe(true);
  });

  test.each<[object, string]>([
    [{ timeout: -1 }, 'close().timeout'],
    [{ timeout: 10_000 }, '(it is in seconds; did you mean 10?)'],
    [{ grace: -1 }, 'close().grace'],
    [{ grace: '1h' }, 'close().grace must be a number of seconds'],
    [{ grace: Infinity }, 'close().grace must be a number of seconds from 0 to 31622400'],
    [{ spread: NaN }, 'close().spread'],
    [{ spread: 600_000 }, '(it is in seconds; did you mean 600?)'],
    [{ code: 1005 }, 'code'],
    [{ code: 1006 }, 'code'],
    [{ code: 999 }, 'close().code'],
    [{ reason: 7 }, 'close().reason'],
    [{ timout: 1 }, 'did you mean "timeout"?'],
    [{ gracce: 1 }, 'did you mean "grace"?'],
  ])('with %o throws and closes nothing', (options, message) => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    expect(() => void tunnel.close(options as never)).toThrow(message);
    expect(tunnel.draining).toBe(false);
  });
});

describe('end()', () => {
  test('ends the matching tunnels and returns their number', async () => {
    const { port, tunnel } = await startTunnel({ user: (req) => req.headers['x-user'] as string });
    const clients = {
      ada: await openRaw(port, '/tunnel', { 'X-User': 'ada' }),
      bob: await openRaw(port, '/tunnel', { 'X-User': 'bob' }),
    };
    expect(tunnel.end(({ user }) => user === 'eve')).toBe(0);
    expect(tunnel.end(({ user }) => user === 'ada')).toBe(1);
    expect(await farewell(clients.ada)).toEqual({ code: 1008, reason: 'ended by the application' });
    await until(() => tunnel.stats().open === 1);
    expect(tunnel.end(() => true, 4001, 'logged out')).toBe(1);
    expect(await farewell(clients.bob)).toEqual({ code: 4001, reason: 'logged out' });
  });

  test.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, NaN, '1000', null])(
    'with code %o throws and ends nothing',
    async (code) => {
      const { port, tunnel } = await startTunnel();
      await openRaw(port);
      expect(() => tunnel.end(() => true, code as number)).toThrow(TunnelError);
      expect(() => tunnel.end(() => true, 1000, 7 as never)).toThrow('reason must be a string');
      expect(tunnel.stats()).toMatchObject({ open: 1, closed: {} });
    },
  );

  test.each([1000, 1011, 1014, 3000, 4999])('can send code %i', async (code) => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    tunnel.end(() => true, code, '');
    expect(await farewell(client)).toEqual({ code, reason: '' });
  });
});

describe('attach()', () => {
  const mounted = async (make: (backend: number) => Tunnel[], attach = true) => {
    const backend = await startEcho();
    const tunnels = make(backend.port);
    const site = await startApp((app) => tunnels.forEach((tunnel, index) => app.use(`/${index}`, tunnel)));
    if (attach) for (const tunnel of tunnels) tunnel.attach(site.server);
    return { ...site, tunnels };
  };
  const manual = (port: number) => makeTunnel({ server: { port }, autoAttach: false });

  test('is idempotent and returns the tunnel', async () => {
    const { port, server, tunnels } = await mounted((backend) => [manual(backend)]);
    const [tunnel] = tunnels;
    expect(tunnel?.attach(server)).toBe(tunnel);
    tunnel?.attach(server);
    expect(server.listenerCount('upgrade')).toBe(1);
    expect(await statusOf(port, '/0')).toBe(101);
    await tunnel?.close({ timeout: 0 });
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  test('two tunnels share a server, and closing one keeps the other', async () => {
    const { port, server, tunnels } = await mounted((backend) => [manual(backend), manual(backend)]);
    expect(server.listenerCount('upgrade')).toBe(1);
    const client = await openRaw(port, '/1');
    await tunnels[0]?.close({ timeout: 0 });
    expect(server.listenerCount('upgrade')).toBe(1);
    expect(await statusOf(port, '/0')).toBe(503);
    expect(await statusOf(port, '/1')).toBe(101);
    expect(client.socket.readyState).toBe('open');
    expect(tunnels[1]?.stats().open).toBeGreaterThan(0);
    await tunnels[1]?.close({ timeout: 0 });
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  test('accepts several servers, and close() detaches from all of them', async () => {
    const { app, server, port, tunnels } = await mounted((backend) => [manual(backend)]);
    const other = await startHttp(app);
    tunnels[0]?.attach(other.server);
    for (const each of [port, other.port]) expect(await statusOf(each, '/0')).toBe(101);
    await tunnels[0]?.close({ timeout: 0 });
    for (const each of [server, other.server]) expect(each.listenerCount('upgrade')).toBe(0);
  });

  test('after close() does nothing', async () => {
    const { server, tunnels } = await mounted((backend) => [manual(backend)], false);
    await tunnels[0]?.close();
    tunnels[0]?.attach(server);
    expect(server.listenerCount('upgrade')).toBe(0);
  });

  test('accepts only a server', () => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    for (const wrong of [undefined, null, {}, 8080, () => undefined])
      expect(() => tunnel.attach(wrong as never)).toThrow(/attach\(\) takes an http, https or http2 server/);
  });

  test.each([
    [{ path: 'vnc' }, 'attach().path must be a path that begins with "/"'],
    [{ path: [] }, 'attach().path must be a path that begins with "/"'],
    [{ path: ['/vnc', 5900] }, 'attach().path must be a path that begins with "/"'],
    [{ exclusive: true }, "attach() exclusive needs the path that is the tunnel's alone"],
    [{ exclusive: 'yes', path: '/vnc' }, 'attach().exclusive must be'],
    [{ paths: '/vnc' }, 'attach() has no "paths"'],
  ])('refuses the options %j', (options, message) => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    expect(() => tunnel.attach(createServer(), options as never)).toThrow(message);
  });
});

test('end() reaches a tunnel that is still opening', async () => {
  const { port: backend } = await startEcho();
  const held = deferred<() => void>();
  const tunnel = makeTunnel({
    server: () =>
      new Promise((resolve) => {
        held.resolve(() => resolve({ port: backend }));
      }),
    user: () => 'ada',
  });
  const { port } = await startApp((app) => app.use('/tunnel', tunnel));
  const client = requestTunnel(port);
  const goOn = await held.promise;
  expect(tunnel.end(({ user }) => user === 'bob')).toBe(0);
  expect(tunnel.end(({ user, backend: id }) => user === 'ada' && id === '')).toBe(1);
  goOn();
  expect((await client.answer()).status).toBe(403);
  expect(tunnel.stats()).toMatchObject({ opened: 0, refused: { WSTUNNEL_ENDED: 1 } });
});
