import { describe, expect, test } from 'vitest';
import type { Condition, HostState, TunnelOptions } from '../../../src/index.js';
import { statusOf } from '../../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startTunnel } from '../../support/servers.js';

/** Whether a request meets a condition. */
async function matches(
  when: Condition,
  path: string,
  headers: Record<string, string> = {},
): Promise<boolean> {
  const { port } = await startTunnel({ rules: [{ when, authenticate: () => false }] });
  return (await statusOf(port, `/tunnel${path}`, headers)) === 401;
}

describe('conditions', () => {
  test("the query is the app's query, without the part after #", async () => {
    const { port: backend } = await startEcho();
    const tunnel = makeTunnel({ rules: [{ when: { query: 'admin' }, server: { port: backend } }] });
    const { port } = await startApp((app) => {
      app.use((req, res, next) => (req.query.admin === undefined ? next() : res.sendStatus(401)));
      app.use('/tunnel', tunnel);
    });
    expect(await statusOf(port, '/tunnel?admin')).toBe(401);
    expect(await statusOf(port, '/tunnel#?admin')).toBe(404);
    expect(await matches({ query: 'a=1' }, '?a=1')).toBe(true);
    expect(await matches({ query: 'a=1' }, '?a=1#?b')).toBe(true);
  });

  test('a Host with a final dot or an unusual port is the same host', async () => {
    for (const host of [
      'desk.internal',
      'desk.internal.',
      'DESK.internal.:8080',
      'desk.internal.:',
      'desk.internal:x',
      'desk.internal.:80:80',
    ])
      expect(await matches({ host: 'desk.internal' }, '/', { Host: host }), host).toBe(true);
    expect(await matches({ host: /^desk\.internal$/ }, '/', { Host: 'desk.internal.' })).toBe(true);
    expect(await matches({ host: 'desk.internal' }, '/', { Host: 'desk.internal..' })).toBe(false);
  });

  test('a missing header is empty, whatever its name', async () => {
    for (const name of ['constructor', 'valueof', '__proto__']) {
      const headers = Object.fromEntries([[name, 'x']]);
      expect(await matches({ headers: Object.fromEntries([[name, '']]) }, '/'), name).toBe(true);
      if (name !== '__proto__') expect(await matches({ headers }, '/', headers), name).toBe(true);
    }
  });
});

describe('options given as a class instance', () => {
  class Options implements TunnelOptions {
    readonly server: { port: number };

    constructor(port: number) {
      this.server = { port };
    }

    authenticate(): boolean {
      return false;
    }
  }

  test('methods and getters count, also in rules', async () => {
    const { port: backend } = await startEcho();
    const own = await startTunnel({ rules: [new Options(backend)] });
    expect(await statusOf(own.port, '/tunnel')).toBe(401);
    const tunnel = makeTunnel(new Options(backend));
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    expect(await statusOf(port, '/tunnel')).toBe(401);
  });

  test('methods and getters are checked', () => {
    class Wrong {
      get pingInterval(): number {
        return -1;
      }
    }
    expect(() => makeTunnel(new Wrong())).toThrow(/pingInterval/);
  });

  test('a host with an address getter is dialled at its value', async () => {
    class Desk {
      readonly port = 9;

      get host(): string {
        return '127.0.0.77';
      }

      get weight(): number {
        return 3;
      }
    }
    const seen: HostState['host'][] = [];
    const { port } = await startTunnel({
      server: () => new Desk(),
      balance: {
        pick: (hosts) => {
          seen.push(...hosts.map(({ host }) => host));
          return undefined;
        },
      },
    });
    expect(await statusOf(port, '/tunnel')).toBe(503);
    expect(seen).toMatchObject([{ host: '127.0.0.77', port: 9, weight: 3 }]);
  });
});

describe('rules beside other upgrade listeners of the server', () => {
  async function startBeside(build: (at: { port: number }) => TunnelOptions) {
    const tunnel = makeTunnel(build({ port: (await startEcho()).port }));
    const { port, server } = await startApp((app) => app.use('/tunnel', tunnel));
    server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 418 Other\r\n\r\n'));
    return port;
  }

  test("a path that only a rule's mapExtensions map belongs to the tunnel", async () => {
    const port = await startBeside((at) => ({
      server: { '.vnc': at },
      rules: [{ url: '/x', else: { rules: [{ mapExtensions: { '.foo': '.vnc' } }] } }],
    }));
    expect(await statusOf(port, '/tunnel/a.foo')).toBe(101);
    expect(await statusOf(port, '/tunnel/x/a.foo')).toBe(418);
  });

  test("a path that a rule's map removes belongs to the other listeners", async () => {
    const port = await startBeside((at) => ({ server: at, rules: [{ server: { '/a': at } }] }));
    expect(await statusOf(port, '/tunnel/a')).toBe(101);
    expect(await statusOf(port, '/tunnel/b')).toBe(418);
  });
});
