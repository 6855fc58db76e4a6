import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import type { Host, RefuseInfo } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { requestTunnel, statusOf } from '../support/raw-client.js';
import { backendEvents, closedPort, startEcho, startTunnel } from '../support/servers.js';
import { INHERITOR, node } from '../support/spawned.js';
import { deferred, until } from '../support/wait.js';

const resetting = () => {
  throw Object.assign(new Error('connect ECONNRESET'), { code: 'ECONNRESET' });
};

/** A named host whose next connection fails with the error that `failing` returns, if any. */
function failingHost(port: number, failing: () => NodeJS.ErrnoException | undefined): Host {
  return {
    ...{ host: 'desk.test', port, disableTime: 60 },
    lookup: (_name, _options, done) => {
      const error = failing();
      if (error) done(error, '');
      else done(null, '127.0.0.1', 4);
    },
  };
}

const errorOf = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' });

describe('issue 12, case 10: single failed connections', () => {
  test('a backend that resets every twentieth connection loses no request and never counts as down', async () => {
    const { port: backend } = await startEcho();
    let count = 0;
    const host = failingHost(backend, () => (++count % 20 === 0 ? errorOf('ECONNRESET') : undefined));
    const { port, tunnel } = await startTunnel({ server: host });
    const events = backendEvents(tunnel);
    const statuses = new Set<number>();
    for (let round = 0; round < 25; round++)
      for (const status of await Promise.all(Array.from({ length: 8 }, () => statusOf(port))))
        statuses.add(status);
    expect([...statuses]).toEqual([101]);
    expect(count).toBeGreaterThan(200);
    expect(events).toEqual([]);
  });

  test('a backend that resets every connection gets three attempts and then counts as down', async () => {
    let asked = 0;
    const host = failingHost(1, () => {
      asked++;
      return errorOf('ECONNRESET');
    });
    const { port, tunnel } = await startTunnel({ server: host });
    const events = backendEvents(tunnel);
    expect([await statusOf(port), await statusOf(port)]).toEqual([502, 503]);
    expect(asked).toBe(3);
    expect(events).toEqual([{ id: 'desk.test:1', up: false, reason: 'connect ECONNRESET' }]);
  });

  test('another host is tried before the host that reset is tried again', async () => {
    const { port: one } = await startEcho();
    const { port: other } = await startEcho();
    let resets = 1;
    const host = failingHost(one, () => (resets-- > 0 ? errorOf('ECONNRESET') : undefined));
    const { port, tunnel } = await startTunnel({ server: [host, { port: other }] });
    const opened: string[] = [];
    tunnel.on('open', ({ backend }) => opened.push(backend));
    expect(await statusOf(port)).toBe(101);
    expect(opened).toEqual([`127.0.0.1:${other}`]);
    expect(tunnel.stats().backends).toMatchObject([{ up: true }, { up: true }]);
  });

  test('a failure does not mark the host down when a later connection succeeded', async () => {
    const { port: backend } = await startEcho();
    const late = deferred();
    let first = true;
    const host: Host = {
      ...{ host: 'desk.test', port: backend, disableTime: 60 },
      lookup: (_name, _options, done) => {
        if (!first) done(null, '127.0.0.1', 4);
        else void late.promise.then(() => done(errorOf('ECONNREFUSED'), ''));
        first = false;
      },
    };
    const { port, tunnel } = await startTunnel({ server: host });
    const waiting = statusOf(port);
    await until(() => !first);
    expect(await statusOf(port)).toBe(101);
    late.resolve();
    expect(await waiting).toBe(502);
    expect(tunnel.stats().backends).toMatchObject([{ up: true }]);
  });

  test('a stream of the app is requested once, whatever its error', async () => {
    const connect = vi.fn(resetting);
    const { port } = await startTunnel({ server: { connect, disableTime: 60 } });
    expect([await statusOf(port), await statusOf(port)]).toEqual([502, 503]);
    expect(connect).toHaveBeenCalledTimes(1);
  });
});

describe('issue 12, case 10: the only host, while it is down,', () => {
  test('is tried by one request at a time, and other requests are answered at once', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onCleanup(() => vi.useRealTimers());
    const release = deferred();
    let asked = 0;
    const host: Host = {
      ...{ host: 'desk.test', port: 1, disableTime: 60 },
      lookup: (_name, _options, done) => {
        if (++asked === 1) done(errorOf('ECONNREFUSED'), '');
        else void release.promise.then(() => done(errorOf('ECONNREFUSED'), ''));
      },
    };
    const { port } = await startTunnel({ server: host });
    expect(await statusOf(port)).toBe(502);
    vi.advanceTimersByTime(500);
    const trial = statusOf(port);
    await until(() => asked === 2);
    vi.advanceTimersByTime(5000);
    expect(await Promise.all(Array.from({ length: 10 }, () => statusOf(port)))).toEqual(Array(10).fill(503));
    release.resolve();
    expect(await trial).toBe(502);
    expect(asked).toBe(2);
  });

  test('a client that leaves during its trial frees the trial for the next client', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onCleanup(() => vi.useRealTimers());
    let asked = 0;
    const host: Host = {
      ...{ host: 'desk.test', port: 1, disableTime: 60 },
      lookup: (_name, _options, done) => {
        if (++asked !== 2) done(errorOf('ECONNREFUSED'), '');
      },
    };
    const { port, tunnel } = await startTunnel({ server: host });
    expect(await statusOf(port)).toBe(502);
    vi.advanceTimersByTime(500);
    const client = requestTunnel(port);
    await until(() => asked === 2);
    const gone = once(tunnel, 'refuse');
    client.socket.destroy();
    await gone;
    expect(await statusOf(port)).toBe(502);
    expect(asked).toBe(3);
  });

  test('a dead host next to a working host is left out for all of disableTime', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onCleanup(() => vi.useRealTimers());
    let asked = 0;
    const dead = failingHost(1, () => {
      asked++;
      return errorOf('ECONNREFUSED');
    });
    const { port: alive } = await startEcho();
    const { port } = await startTunnel({ server: [dead, { port: alive }] });
    for (let second = 0; second < 59; second++) {
      expect(await statusOf(port)).toBe(101);
      vi.advanceTimersByTime(1000);
    }
    expect(asked).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(await statusOf(port)).toBe(101);
    expect(asked).toBe(2);
  });
});

describe('issue 12, case 10: resources that this machine lacks', () => {
  test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN'])(
    '%s gets 503 with its code, and no host counts as down',
    async (code) => {
      const { port, tunnel } = await startTunnel({
        server: failingHost(1, () => Object.assign(errorOf(code), { port: 1 })),
      });
      const events = backendEvents(tunnel);
      const refused: RefuseInfo[] = [];
      tunnel.on('refuse', (info) => refused.push(info));
      expect([await statusOf(port), await statusOf(port)]).toEqual([503, 503]);
      expect(refused.map((info) => info.code)).toEqual(['WSTUNNEL_EXHAUSTED', 'WSTUNNEL_EXHAUSTED']);
      expect(events).toEqual([]);
      expect(tunnel.stats().backends).toMatchObject([{ up: true }]);
    },
  );

  test('without a free local port or address the next host is tried', async () => {
    const { port: backend } = await startEcho();
    // An address of TEST-NET-1 (RFC 5737) does not belong to this machine.
    const host = { port: backend, localAddress: '192.0.2.1' };
    const only = await startTunnel({ server: host });
    expect(await statusOf(only.port)).toBe(503);
    expect(only.tunnel.stats()).toMatchObject({
      refused: { WSTUNNEL_EXHAUSTED: 1 },
      backends: [{ up: true }],
    });
    const { port: other } = await startEcho();
    const both = await startTunnel({ server: [host, { port: other }] });
    expect(await statusOf(both.port)).toBe(101);
    expect(both.tunnel.stats().backends).toMatchObject([{ up: true }, { up: true }]);
  });

  test('an address without a route plus a refused connection gets 502', async () => {
    const dead = await closedPort();
    const server = {
      ...{ host: 'desk.test', port: dead, localAddress: '127.0.0.1', disableTime: 60 },
      lookup: (_name: string, _options: object, done: (error: null, found: never) => void) =>
        done(null, [
          { address: '192.0.2.1', family: 4 },
          { address: '127.0.0.1', family: 4 },
        ] as never),
    };
    const { port } = await startTunnel({ server: server as Host });
    expect(await statusOf(port)).toBe(502);
  });
});

test('issue 12, case 10: a program without a folder for its socket is not started, and nothing crashes', async () => {
  const { TMPDIR } = process.env;
  const restore = () => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  };
  onCleanup(restore);
  // The start fails from a timer and for a request. The folder existed when the tunnel was made.
  const server = { disableTime: 0, spawn: node(INHERITOR, { minProcs: 1 }) };
  const starting = startTunnel({ server });
  process.env.TMPDIR = '/nowhere/at/all';
  const { port, tunnel } = await starting;
  const events = backendEvents(tunnel);
  await until(() => events.length > 0);
  expect(events[0]).toMatchObject({ up: false, reason: expect.stringContaining('ENOENT') as string });
  expect(await statusOf(port)).toBe(502);
  restore();
  await until(async () => (await statusOf(port)) === 101);
});
