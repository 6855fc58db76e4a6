import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { originalPathOf, pathOf as pathOfRequest } from '../../../src/request/path.js';
import { compileUrl } from '../../../src/routes/url-match.js';
import { pageRequest, RawClient, statusOf } from '../../support/raw-client.js';
import { makeTunnel, startApp } from '../../support/servers.js';

describe('the option url', () => {
  test.each<[string | RegExp, string[], string[]]>([
    [
      '/vnc',
      ['/vnc', '/vnc/', '/vnc/a', '/vnc//a'],
      ['/', '/vnca', '/vnc2/a', '/VNC', '/a/vnc', '//vnc', '/vnc%2fa'],
    ],
    ['/vnc/', ['/vnc', '/vnc/', '/vnc/a'], ['/vnca']],
    ['/', ['/', '/a', '//'], []],
    [/^\/websockify/, ['/websockify', '/websockify2/x'], ['/a/websockify', '/Websockify']],
    [/\.vnc$/i, ['/a.vnc', '/b/.VNC'], ['/a.vnc/b']],
  ])('%s', (pattern, under, outside) => {
    const matches = compileUrl([pattern]);
    for (const path of under) expect(matches(path), path).toBe(true);
    for (const path of outside) expect(matches(path), path).toBe(false);
    // A second call gives the same results, because no call leaves a state.
    for (const path of under) expect(matches(path), path).toBe(true);
  });

  test('as a list matches if any entry does', () => {
    const matches = compileUrl(['/a', /b$/]);
    expect(['/a/x', '/x/b', '/x'].map(matches)).toEqual([true, true, false]);
  });
});

const pathOf = (url: string) => pathOfRequest({ url });

describe('the path of a request target', () => {
  test.each([
    ['/', '/'],
    ['/vnc?token=/other', '/vnc'],
    ['/?/vnc', '/'],
    ['/vnc?a?b#c', '/vnc'],
    ['/vnc#x', '/vnc'],
    ['//vnc//a', '//vnc//a'],
    ['/a%2fb/../c', '/a%2fb/../c'],
    ['http://h/vnc?x', '/vnc'],
    ['HTTP://H:80/VNC', '/VNC'],
    ['https://user:word@h.example/vnc', '/vnc'],
    ['ws://[::1]:8080/vnc', '/vnc'],
    ['http://h', '/'],
    ['http://h?/vnc', '/'],
    ['http://h;x/vnc', ';x/vnc'],
    ['*', '*'],
    ['', undefined],
    ['http://[/vnc', undefined],
  ])('%s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  const odd = [
    ...[
      '/',
      '/vnc',
      '/vnc/',
      '//vnc',
      '///',
      '/./vnc',
      '/x/../vnc',
      '/vnc;x',
      '/a%2fb',
      '/a\\b',
      '/a|b',
      "/a'b",
      '/a@b',
    ],
    ...[
      '/?/vnc',
      '/vnc?//',
      '/vnc?a?b',
      '/vnc?#',
      '/vnc#x',
      '/a\\b#',
      '/a|b#',
      '//u@h/vnc#',
      '//u@h/vnc',
      '//@#',
    ],
    ...[
      'http://h',
      'http://h/',
      'http://h?x',
      'http://h/vnc',
      'HTTPS://H/vnc',
      'ws://h/vnc',
      'http://[::1]:80/vnc',
    ],
    ...[
      'http://u:p@h/vnc',
      'http://a@b@h/vnc',
      'http://h:/vnc',
      'http:///vnc',
      'http://h//vnc',
      'http://h/a|b',
    ],
    // URLs whose host ends at an unexpected character.
    ...[
      'http://h;x/vnc',
      "http://h'x/vnc",
      'http://h%41/vnc',
      'http://h:80x/vnc',
      'http://h*x/vnc',
      'http://h,x/vnc',
    ],
    ...['javascript://h/vnc', 'foo://h/vnc', 'file://h/vnc', 'http://h~x/vnc', 'http://h@/vnc', '*'],
  ];

  test('is taken from the whole URL if a mount has shortened the path', () => {
    const req = { url: '/vnc', originalUrl: '/desk/vnc?x=1' } as unknown as IncomingMessage;
    expect([pathOfRequest(req), originalPathOf(req)]).toEqual(['/vnc', '/desk/vnc']);
  });

  test('equals the path that Express sees', async () => {
    const seen: string[] = [];
    const { port } = await startApp((app) =>
      app.use((req, res) => {
        seen.push(req.path);
        res.end();
      }),
    );
    let agreed = 0;
    for (const target of odd) {
      seen.length = 0;
      await new RawClient(port).send(pageRequest(target)).answer();
      const ours = pathOf(target);
      if (seen.length === 0) continue;
      expect(ours, target).toBe(seen[0]);
      agreed++;
    }
    expect(agreed).toBeGreaterThan(25);
  });

  test('matches prefixes as a mount of Express does', async () => {
    const { port } = await startApp((app) => {
      app.enable('case sensitive routing');
      app.use('/vnc', (_req, res) => res.send('mounted'));
      app.use((_req, res) => res.send('elsewhere'));
    });
    const matches = compileUrl(['/vnc']);
    for (const target of odd) {
      const path = pathOf(target);
      if (path === undefined) continue;
      const client = new RawClient(port).send(pageRequest(target));
      expect((await client.rest()).toString().endsWith('mounted'), target).toBe(matches(path));
    }
  });
});

test('a target that Express parses differently does not bypass a login mounted on the path', async () => {
  const tunnel = makeTunnel({ url: '/vnc', server: { port: 1 } });
  const { port } = await startApp((app) => {
    app.use('/vnc', (_req, res) => void res.status(401).end());
    app.use(tunnel, (_req, res) => void res.status(404).end());
  });
  expect(await statusOf(port, '/vnc')).toBe(401);
  expect(await statusOf(port, 'http://h/vnc')).toBe(401);
  for (const target of ['http://h;x/vnc', 'http://h%41/vnc', 'http://h:80x/vnc', 'javascript://h/vnc'])
    expect(await statusOf(port, target), target).toBe(404);
});

test('within a mount the rest of the path is matched', async () => {
  const { port } = await startApp((app) =>
    app.use(
      '/desk',
      makeTunnel({ url: /^\/vnc$/, server: () => undefined }),
      (_req, res) => void res.status(418).end(),
    ),
  );
  expect(await statusOf(port, '/desk/vnc?x=1')).toBe(404);
  expect(await statusOf(port, 'http://127.0.0.1/desk/vnc')).toBe(404);
  expect(await statusOf(port, '/desk/vnc/')).toBe(418);
  expect(await statusOf(port, '/desk?/vnc')).toBe(418);
});
