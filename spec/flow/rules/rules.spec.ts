import { once } from 'node:events';
import { createServer } from 'node:https';
import { connect as connectTls } from 'node:tls';
import express from 'express';
import { describe, expect, test } from 'vitest';
import type { Condition, Rule, TunnelInfo, TunnelOptions } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { handshake, RawClient, requestTunnel, statusOf } from '../../support/raw-client.js';
import {
  listen,
  makeTunnel,
  portOf,
  startApp,
  startEcho,
  startTunnel,
  type Backend,
} from '../../support/servers.js';

type Headers = Record<string, string | undefined>;

/** A tunnel with these rules; each request returns the name of the chosen backend, or the status. */
async function startRules<Name extends string>(
  names: readonly Name[],
  build: (at: Record<Name, { port: number }>) => Partial<TunnelOptions>,
) {
  const backends = await Promise.all(names.map(async (name) => [name, await startEcho()] as const));
  const at = Object.fromEntries(backends.map(([name, { port }]) => [name, { port }])) as Record<
    Name,
    { port: number }
  >;
  const { port, tunnel, app } = await startTunnel({ server: undefined as never, ...build(at) });
  const nameOf = (id: string) => backends.find(([, { port }]) => id === `127.0.0.1:${port}`)?.[0];
  const ask = async (path = '/', headers: Headers = {}) => {
    const opened = once(tunnel, 'open') as Promise<[TunnelInfo]>;
    const client = requestTunnel(port, `/tunnel${path}`, headers);
    const { status } = await client.answer();
    const got = status === 101 ? nameOf((await opened)[0].backend) : status;
    client.socket.destroy();
    return got;
  };
  return { ask, tunnel, app, port };
}

/** Whether a request meets a condition. */
async function matches(when: Condition, path = '/', headers: Headers = {}): Promise<boolean> {
  const { ask } = await startRules(['yes'], ({ yes }) => ({ rules: [{ when, server: yes }] }));
  return (await ask(path, headers)) === 'yes';
}

describe('rules', () => {
  test('a request that ends up without a server goes to next()', async () => {
    const { ask } = await startRules(['a'], ({ a }) => ({ rules: [{ url: '/a', server: a }] }));
    expect([await ask('/a'), await ask('/a/x'), await ask('/b'), await ask('/')]).toEqual([
      'a',
      'a',
      404,
      404,
    ]);
  });

  test('a later rule overrides earlier ones, option by option', async () => {
    const { ask, tunnel } = await startRules(['a', 'b', 'c'], ({ a, b, c }) => ({
      server: a,
      rules: [
        { url: /^\/x/, server: b, authenticate: () => true },
        { url: /^\/x\/y/, server: c },
        { url: /^\/x\/y\/z/, authenticate: () => false },
        { url: '/q', deny: ['127.0.0.0/8'] },
      ],
    }));
    expect([await ask('/'), await ask('/x'), await ask('/x/y'), await ask('/x/y/z')]).toEqual([
      'a',
      'b',
      'c',
      401,
    ]);
    expect(await ask('/q')).toBe(403);
    expect(tunnel.stats().refused).toEqual({ WSTUNNEL_NOT_AUTHENTICATED: 1, WSTUNNEL_ADDRESS_REFUSED: 1 });
  });

  test("the tunnel's `url` gates all rules", async () => {
    const { ask } = await startRules(['a', 'b'], ({ a, b }) => ({
      url: '/in',
      server: a,
      rules: [
        { url: '/in/b', server: b },
        { url: '/out', server: b },
      ],
    }));
    expect([await ask('/in'), await ask('/in/b'), await ask('/out')]).toEqual(['a', 'b', 404]);
  });

  test('rules can be nested, and have an else', async () => {
    const inner: (b: Rule['server'], c: Rule['server']) => Rule[] = (b, c) => [
      { when: { query: /two/ }, server: b!, else: { when: { query: /three/ }, server: c! } },
    ];
    const { ask } = await startRules(['a', 'b', 'c', 'd'], ({ a, b, c, d }) => ({
      rules: [
        {
          url: '/x',
          server: a,
          rules: inner(b, c),
          else: { server: d, rules: [{ url: '/no', deny: ['::/0', '0.0.0.0/0'] }] },
        },
      ],
    }));
    expect(await ask('/x')).toBe('a');
    expect(await ask('/x?two')).toBe('b');
    expect(await ask('/x?three')).toBe('c');
    expect(await ask('/x?two-three')).toBe('b');
    expect(await ask('/y?two')).toBe('d');
    expect(await ask('/no')).toBe(403);
  });

  test("each rule's strategy and each list has a separate turn", async () => {
    const { ask } = await startRules(['a', 'b', 'c', 'd'], ({ a, b, c, d }) => ({
      server: [a, b],
      balance: 'round-robin',
      rules: [{ url: '/x', server: [c, d] }],
    }));
    const got = [await ask('/'), await ask('/x'), await ask('/'), await ask('/x'), await ask('/')];
    expect(got).toEqual(['a', 'c', 'b', 'd', 'a']);
  });

  test("mapExtensions of a rule apply to lighttpd's map", async () => {
    const { ask, tunnel } = await startRules(['a', 'b'], ({ a, b }) => ({
      server: { '/vnc': a, '.ssh': [b] },
      rules: [{ url: '/m', mapExtensions: { '.term': '.ssh' } }],
    }));
    expect(await ask('/vnc/1')).toBe('a');
    expect(await ask('/x.ssh')).toBe('b');
    expect(await ask('/m/x.term')).toBe('b');
    expect(await ask('/x.term')).toBe(404);
    expect(tunnel.stats().backends).toHaveLength(2);
  });
});

describe('conditions', () => {
  test('url matches the path within the mount, undecoded and without query', async () => {
    expect(await matches({ url: '/a%20b' }, '/a%20b?c')).toBe(true);
    expect(await matches({ url: '/a b' }, '/a%20b')).toBe(false);
    expect(await matches({ url: { startsWith: '/tunnel' } }, '/tunnel')).toBe(true);
    expect(await matches({ url: { notMatches: /^\/x/ } }, '/x')).toBe(false);
  });

  test('host is compared in lower case, and a port only where both sides have one', async () => {
    expect(await matches({ host: 'desk.example' }, '/', { Host: 'DESK.example:8080' })).toBe(true);
    expect(await matches({ host: 'desk.example:443' }, '/', { Host: 'desk.example:8080' })).toBe(false);
    expect(await matches({ host: /^desk\./ }, '/', { Host: 'Desk.example' })).toBe(true);
  });

  test('query is compared as received', async () => {
    expect(await matches({ query: 'a=1&b=%2F' }, '/?a=1&b=%2F')).toBe(true);
    expect(await matches({ query: '' }, '/')).toBe(true);
    expect(await matches({ query: { matches: /(^|&)token=/ } }, '/?x=1&token=2')).toBe(true);
    expect(await matches({ query: { endsWith: '=2' } }, '/?token=3')).toBe(false);
  });

  test('headers match in any case of their names, and a missing one is empty', async () => {
    expect(await matches({ headers: { 'X-Desk': 'a' } }, '/', { 'x-desk': 'a' })).toBe(true);
    expect(await matches({ headers: { 'x-desk': '' } })).toBe(true);
    expect(
      await matches({ headers: { 'x-desk': { notEquals: 'a' }, cookie: /k=v/ } }, '/', { Cookie: 'k=v' }),
    ).toBe(true);
    expect(await matches({ headers: { 'x-desk': 'a', cookie: /k=v/ } }, '/', { Cookie: 'k=v' })).toBe(false);
  });

  test('remoteAddress matches addresses and ranges', async () => {
    expect(await matches({ remoteAddress: '127.0.0.0/8' })).toBe(true);
    expect(await matches({ remoteAddress: ['10.0.0.0/8', '127.0.0.1'] })).toBe(true);
    expect(await matches({ remoteAddress: { notEquals: '127.0.0.1' } })).toBe(false);
    expect(await matches({ remoteAddress: /^127\./ })).toBe(true);
    expect(await matches({ remoteAddress: '2001:db8::/32' })).toBe(false);
  });

  test('all, any and not combine conditions', async () => {
    const yes: Condition = { query: 'x' };
    const no: Condition = { query: 'y' };
    const cases: [Condition, boolean][] = [
      [{}, true],
      [{ all: [yes, yes] }, true],
      [{ all: [yes, no] }, false],
      [{ any: [no, yes] }, true],
      [{ any: [no, no] }, false],
      [{ not: no }, true],
      [{ not: yes }, false],
      [{ any: [yes], not: no, all: [{ any: [yes, no] }], host: '127.0.0.1' }, true],
      [{ any: [yes], not: no, host: 'other' }, false],
    ];
    for (const [when, right] of cases) expect(await matches(when, '/?x')).toBe(right);
  });

  test('scheme matches http or https', async () => {
    const backend = await startEcho();
    const rules: Rule[] = [{ when: { scheme: 'https' }, server: { port: backend.port } }];
    const app = express().use('/tunnel', makeTunnel({ rules }));
    const secure = createServer(certificate(), app);
    await listen(secure);
    const socket = connectTls({ port: portOf(secure), host: '127.0.0.1', ca: certificate().cert });
    expect(await statusOf(socket)).toBe(101);
    expect(await matches({ scheme: 'https' })).toBe(false);
    expect(await matches({ scheme: 'http' })).toBe(true);
    const plain = await startApp((one) =>
      one.set('trust proxy', 'loopback').use('/tunnel', makeTunnel({ rules })),
    );
    const forwarded = handshake('/tunnel', { 'X-Forwarded-Proto': 'https' });
    expect((await new RawClient(plain.port).send(forwarded).answer()).status).toBe(101);
  });
});

describe('the address that a condition compares', () => {
  const rules = ({ port }: Backend): Rule[] => [
    { when: { remoteAddress: '192.0.2.0/24' }, server: { port } },
  ];
  test('is the result of clientAddress', async () => {
    const backend = await startEcho();
    const { port } = await startTunnel({
      server: undefined as never,
      rules: rules(backend),
      clientAddress: (req) => String(req.headers['x-mine']),
    });
    expect(await statusOf(port, '/tunnel', { 'X-Mine': '::ffff:192.0.2.7' })).toBe(101);
    expect(await statusOf(port, '/tunnel', { 'X-Mine': '198.51.100.7' })).toBe(404);
  });

  test('is the address that a trusted proxy reports', async () => {
    const backend = await startEcho();
    const tunnel = makeTunnel({ rules: rules(backend) });
    const { port } = await startApp((app) => app.set('trust proxy', 'loopback').use('/tunnel', tunnel));
    expect(await statusOf(port, '/tunnel', { 'X-Forwarded-For': '192.0.2.7' })).toBe(101);
    expect(await statusOf(port)).toBe(404);
  });

  test('refuses the request with 500 where it cannot be known', async () => {
    const backend = await startEcho();
    const tunnel = makeTunnel({ rules: rules(backend) });
    const everybody = await startApp((app) => app.set('trust proxy', true).use('/tunnel', tunnel));
    expect(await statusOf(everybody.port, '/tunnel', { 'X-Forwarded-For': '192.0.2.7' })).toBe(500);
    const broken: TunnelOptions['clientAddress'][] = [
      () => {
        throw new Error('x');
      },
      () => 7 as never,
      (() => Promise.resolve('192.0.2.1')) as never,
    ];
    for (const clientAddress of broken) {
      const site = await startTunnel({
        server: undefined as never,
        rules: rules(backend),
        clientAddress: clientAddress!,
      });
      expect(await statusOf(site.port)).toBe(500);
      expect(site.tunnel.stats().refused).toEqual({ WSTUNNEL_HOOK_FAILED: 1 });
    }
  });
});

describe('rules beside other upgrade listeners', () => {
  test('a request that only a condition can decide is passed on when no rule matches', async () => {
    const backend = await startEcho();
    const tunnel = makeTunnel({
      rules: [
        { url: '/mine', server: { port: backend.port } },
        { when: { query: 'mine' }, server: { port: backend.port } },
      ],
    });
    const { port, server } = await startApp((app) => app.use('/tunnel', tunnel));
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 299 Theirs\r\n\r\n'));
    const ask = (path: string) => statusOf(port, path);
    expect(await ask('/tunnel/mine')).toBe(101);
    expect(await ask('/tunnel/other?mine')).toBe(101);
    expect(await ask('/tunnel/other')).toBe(299);
    expect(await ask('/elsewhere')).toBe(299);
  });
});
