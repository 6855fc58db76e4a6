import { inspect } from 'node:util';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, wstunnel, type TunnelOptions } from '../../src/index.js';
import { LighttpdPath } from '../../src/lighttpd/conditions/url-notation.js';
import { NOTATION } from '../../src/routes/path-notation.js';
import { startLighttpd } from '../support/lighttpd.js';
import { onCleanup } from '../support/cleanup.js';
import { besideLighttpd } from '../support/lighttpd-version.js';
import { describeWith } from '../support/programs.js';
import { statusOf } from '../support/raw-client.js';
import { ROUTES } from '../support/readme.js';
import { makeTunnel, startBackend, startHttp } from '../support/servers.js';

/** The status of an upgrade from a page of another site. */
function foreignStatus(port: number, path: string): Promise<number> {
  return statusOf(port, path, { Origin: 'https://evil.example' });
}

async function serve(options: TunnelOptions, mount = '/'): Promise<number> {
  return (await startHttp(express().set('env', 'test').use(mount, makeTunnel(options)))).port;
}

/** Pages of other sites are refused at `/desk/admin`, and accepted everywhere else. */
const guarded = (port: number, more = '') => `${more}
  wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${port} ) ) )
  $HTTP["url"] =~ "^/desk/admin" { wstunnel.origins = ( "trusted.example" ) }`;

/** Paths, grouped by the status of lighttpd and of our tunnel. */
const BY_DEFAULT: [lighttpd: number, ours: number, ...paths: string[]][] = [
  [
    403,
    403,
    '/desk/admin',
    '/desk/admin/x',
    '/desk/adminx',
    '/desk/%61dmin',
    '/desk//admin',
    '/desk/./admin',
    '/desk/x/../admin',
    '/desk/admin/',
    '/desk/admin%2F',
    '/desk%2Fadmin',
    '/desk%2fadmin',
    '//desk/admin',
    '/./desk/admin',
    '/../desk/admin',
    '/desk/..%2Fdesk/admin',
    '/desk/%2e/admin',
    '/desk/%2E%2E/desk/admin',
    '/%64%65%73%6B/%61%64%6D%69%6E',
    '/desk/admin;x',
    '/desk/admin%3Bx',
    '/desk/admin%20x',
    '/desk/admi%6e',
    '/desk/admin%',
    '/desk/admin%3Fx',
    '/desk/admin?x=%61',
    '/desk/admin/../admin',
    '/desk/admin/.',
    '/desk/admin(1)',
    '/desk/admin%281%29',
  ],
  [
    400,
    403,
    '/desk/admin%00',
    '/desk/%00admin',
    '/desk/admin%7F',
    '/desk/%FFadmin',
    '/desk/%C0%AFadmin',
    'http://h/desk/%61dmin',
    'http://h/desk/admin',
  ],
  [
    101,
    101,
    '/desk/my%20admin',
    '/desk/adm%C3%BCn',
    '/desk/%C3%28',
    '/desk/ADMIN',
    '/desk/%2561dmin',
    '/other',
    '/desk/.../admin',
    '/desk/.admin',
    '/desk/..admin',
    '/desk/$%24',
    '/desk/~ann',
  ],
  [
    101,
    403,
    '/desk/adm%c3%bcn',
    '/desk/%zzadmin',
    '/desk/%',
    '/other//x',
    '/other/%78',
    '/oth%65r',
    '/desk/admin/..',
    '/desk\\admin',
    '/desk/a|b',
    '/desk/[x]',
    '/desk/%7Eann',
  ],
];

/** Paths, grouped by the status of lighttpd and of our tunnel. */
const NORMALIZED_MORE: [lighttpd: number, ours: number, ...paths: string[]][] = [
  [
    403,
    403,
    '/desk/admin',
    '/desk/admin/x',
    '/desk/adminx',
    '/desk/%61dmin',
    '/desk//admin',
    '/desk/./admin',
    '/desk/x/../admin',
    '/desk/admin/',
    '/desk/admin%2F',
    '/desk%2Fadmin',
    '/desk%2fadmin',
    '//desk/admin',
    '/./desk/admin',
    '/../desk/admin',
    '/desk/..%2Fdesk/admin',
    '/desk/%2e/admin',
    '/desk/%2E%2E/desk/admin',
    '/%64%65%73%6B/%61%64%6D%69%6E',
    '/desk/admin;x',
    '/desk/admin%3Bx',
    '/desk/admin%20x',
    '/desk/admi%6e',
    '/desk/admin%',
    '/desk/admin%3Fx',
    '/desk/admin?x=%61',
    '/desk/admin/../admin',
    '/desk/admin/.',
    '/desk/admin(1)',
    '/desk/admin%281%29',
  ],
  [
    400,
    403,
    '/desk/admin%00',
    '/desk/%00admin',
    '/desk/admin%7F',
    '/desk/%FFadmin',
    '/desk/%C0%AFadmin',
    'http://h/desk/%61dmin',
    'http://h/desk/admin',
  ],
  [
    101,
    101,
    '/desk/my%20admin',
    '/desk/adm%C3%BCn',
    '/desk/ADMIN',
    '/desk/%2561dmin',
    '/other',
    '/desk/.../admin',
    '/desk/.admin',
    '/desk/..admin',
    '/desk/~ann',
  ],
  [
    101,
    403,
    '/desk/adm%c3%bcn',
    '/desk/%C3%28',
    '/desk/%zzadmin',
    '/desk/%',
    '/other//x',
    '/other/%78',
    '/oth%65r',
    '/desk/admin/..',
    '/desk\\admin',
    '/desk/a|b',
    '/desk/[x]',
    '/desk/$%24',
    '/desk/%7Eann',
  ],
];

/** Paths, grouped by the status of lighttpd and of our tunnel. */
const NOT_NORMALIZED: [lighttpd: number, ours: number, ...paths: string[]][] = [
  [
    403,
    403,
    '/desk/admin',
    '/desk/admin/x',
    '/desk/adminx',
    '/desk/%61dmin',
    '/desk//admin',
    '/desk/./admin',
    '/desk/x/../admin',
    '/desk/admin/',
    '/desk/admin%2F',
    '/desk%2Fadmin',
    '/desk%2fadmin',
    '//desk/admin',
    '/./desk/admin',
    '/../desk/admin',
    '/desk/..%2Fdesk/admin',
    '/desk/%2e/admin',
    '/desk/%2E%2E/desk/admin',
    '/%64%65%73%6B/%61%64%6D%69%6E',
    '/desk/admin;x',
    '/desk/admin%3Bx',
    '/desk/admin%00',
    '/desk/admin%7F',
    '/desk/admin%20x',
    '/desk/admi%6e',
    '/desk/admin%',
    '/desk/admin%3Fx',
    '/desk/admin?x=%61',
    '/desk/admin/../admin',
    '/desk/admin/.',
    '/desk/admin(1)',
    '/desk/admin%281%29',
  ],
  [
    101,
    101,
    '/desk/%00admin',
    '/desk/my%20admin',
    '/desk/adm%C3%BCn',
    '/desk/%C3%28',
    '/desk/%FFadmin',
    '/desk/%C0%AFadmin',
    '/desk/ADMIN',
    '/desk/%2561dmin',
    '/other',
    '/desk/.../admin',
    '/desk/.admin',
    '/desk/..admin',
    '/desk/$%24',
    '/desk/~ann',
  ],
  [
    101,
    403,
    '/desk/adm%c3%bcn',
    '/desk/%zzadmin',
    '/desk/%',
    '/other//x',
    '/other/%78',
    '/oth%65r',
    '/desk/admin/..',
    '/desk\\admin',
    '/desk/a|b',
    '/desk/[x]',
    '/desk/%7Eann',
  ],
  [400, 403, 'http://h/desk/%61dmin', 'http://h/desk/admin'],
];

const OPTIONS: [name: string, conf: string, table: typeof BY_DEFAULT][] = [
  ['by default', '', BY_DEFAULT],
  [
    'with url-normalize-required',
    'server.http-parseopts = ( "url-normalize-required" => "enable" )',
    NORMALIZED_MORE,
  ],
  ['without url-normalize', 'server.http-parseopts = ( "url-normalize" => "disable" )', NOT_NORMALIZED],
];

describeWith('lighttpd')(besideLighttpd('issue 12, case 7: a path in another notation'), () => {
  test.each(OPTIONS)('%s: no notation of a path bypasses a condition', async (_name, more, table) => {
    const { port: backend } = await startBackend();
    const conf = guarded(backend, more);
    const [lighttpd, ours] = [await startLighttpd(conf), await serve(fromLighttpdConf(conf).options)];
    for (const [theirs, here, ...paths] of table)
      for (const path of paths) {
        const seen = [await foreignStatus(lighttpd.port, path), await foreignStatus(ours, path)];
        expect.soft(seen, path).toEqual([theirs, here]);
      }
  });

  test('our tunnel accepts no path that lighttpd refuses', () => {
    for (const [, , table] of OPTIONS)
      for (const [lighttpd, ours] of table) expect([lighttpd, 403]).toContain(ours);
    expect(BY_DEFAULT.flatMap(([, , ...paths]) => paths).length).toBeGreaterThan(50);
  });

  test('keys of wstunnel.server are plain prefixes and suffixes of the decoded path', async () => {
    const { port: backend } = await startBackend();
    const host = `( ( "host" => "127.0.0.1", "port" => ${backend} ) )`;
    const conf = `wstunnel.server = ( "/vnc" => ${host}, "/my desk" => ${host}, ".ü" => ${host} )`;
    const [lighttpd, ours] = [await startLighttpd(conf), await serve(fromLighttpdConf(conf).options)];
    for (const path of [
      '/vnc',
      '/vncx',
      '/vnc;x',
      '/my%20desks',
      '/a.%C3%BC',
      '/vn',
      '/my',
      '/a.u',
      '/x/vnc',
    ]) {
      const theirs = await foreignStatus(lighttpd.port, path);
      expect(await foreignStatus(ours, path), path).toBe(theirs);
    }
    for (const path of ['/%76nc', '//vnc', '/x/../vnc', '/a.%c3%bc'])
      expect([await foreignStatus(lighttpd.port, path), await foreignStatus(ours, path)], path).toEqual([
        101, 403,
      ]);
  });
});

describe('issue 12, case 7: options read from a lighttpd.conf', () => {
  const read = (conf: string) => fromLighttpdConf(conf).options;

  test('refuse a path in another notation that would bypass a login of the app', async () => {
    const { port: backend } = await startBackend();
    const app = express().set('env', 'test');
    app.use('/desk/admin', (_req, res) => res.sendStatus(401));
    app.use(makeTunnel(read(guarded(backend).replace('trusted.example', 'https://evil.example'))));
    const { port } = await startHttp(app);
    expect(await foreignStatus(port, '/desk/admin')).toBe(401);
    for (const path of ['/desk/%61dmin', '/desk//admin', '/desk/./admin', '/desk/x/../admin'])
      expect(await foreignStatus(port, path), path).toBe(403);
  });

  test("report the refusal's reason by event and code", async () => {
    const { port: backend } = await startBackend();
    const tunnel = makeTunnel(read(guarded(backend)));
    const codes: string[] = [];
    tunnel.on('refuse', ({ code }) => codes.push(code));
    const { port } = await startHttp(express().use(tunnel));
    expect(await foreignStatus(port, '/desk/%61dmin')).toBe(403);
    expect(codes).toEqual(['WSTUNNEL_PATH_REFUSED']);
  });

  test('ignore requests for other paths, in any notation', async () => {
    const { port: backend } = await startBackend();
    const conf = `$HTTP["url"] =^ "/desk" { wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${backend} ) ) ) }`;
    const port = await serve(read(conf));
    for (const path of ['/other//x', '/other/%61', '/x/../other'])
      expect(await foreignStatus(port, path), path).toBe(404);
    expect(await foreignStatus(port, '/%64esk')).toBe(403);
  });

  test('accept any notation where no condition compares the path', async () => {
    const { port: backend } = await startBackend();
    const port = await serve(
      read(`wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${backend} ) ) )`),
    );
    for (const path of ['/a', '/%61', '//a', '/a/../b', '/%FF'])
      expect(await foreignStatus(port, path), path).toBe(101);
  });

  test('compare the path within the mount', async () => {
    const { port: backend } = await startBackend();
    const port = await serve(read(guarded(backend)), '/site');
    expect(await foreignStatus(port, '/site/desk/admin')).toBe(403);
    expect(await foreignStatus(port, '/site/desk/user')).toBe(101);
    expect(await foreignStatus(port, '/site/x/../desk/user')).toBe(403);
  });

  test("can be spread and merged: conditions and maps keep lighttpd's notation", async () => {
    const { port: backend } = await startBackend();
    const options = read(guarded(backend));
    const copies: TunnelOptions[] = [
      { ...options, pingInterval: 0 },
      { ...options, rules: [...(options.rules ?? []), { url: '/x', idleTimeout: 5 }] },
      { server: { port: backend }, origins: '*', rules: options.rules!.map((rule) => ({ ...rule })) },
      Object.assign({}, options),
    ];
    for (const copy of copies) {
      const port = await serve(copy);
      expect(await foreignStatus(port, '/desk/%61dmin')).toBe(403);
      expect(await foreignStatus(port, '/desk/user')).toBe(101);
    }
    const map = read('wstunnel.server = ( "/vnc" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )');
    const tunnel = wstunnel({ ...map, server: { ...(map.server as object) } as never });
    onCleanup(() => tunnel.close({ timeout: 0 }));
  });

  test('a copy of a map without the notation setting matches fewer paths, not more', async () => {
    const { port: backend } = await startBackend();
    const { server } = read(
      `wstunnel.server = ( "/vnc" => ( ( "host" => "127.0.0.1", "port" => ${backend} ) ) )`,
    );
    const port = await serve({ origins: '*', server: { ...(server as Record<string, { port: number }[]>) } });
    expect(await foreignStatus(port, '/vnc')).toBe(101);
    for (const path of ['/vncx', '/%76nc', '//vnc']) expect(await foreignStatus(port, path), path).toBe(404);
  });

  test('can be printed, and the output names the compared form of the path', () => {
    const options = read(
      '$HTTP["url"] =~ "^/desk" { wstunnel.server = ( "/vnc" => ( ( "socket" => "/run/a" ) ) ) }',
    );
    expect(inspect(options, { depth: 9, breakLength: Infinity })).toContain('LighttpdPath /^\\/desk/');
    expect(inspect(options, { depth: 9 })).not.toContain('Symbol');
    expect(JSON.parse(JSON.stringify(options))).toMatchObject({
      rules: [{ server: { '/vnc': [{ socket: '/run/a' }] } }],
    });
  });

  test.each([
    ['( "url-normalise" => "enable" )', /has no "url-normalise"; did you mean "url-normalize"/],
    ['( "url-normalize" => "perhaps" )', /"enable" or "disable"/],
    ['( "enable" )', /must look like/],
  ])('server.http-parseopts = %s is an error that gives the reason', (value, message) => {
    expect(() => read(`server.http-parseopts = ${value}`)).toThrow(message);
  });

  test("server.http-parseopts of Debian's configuration is accepted", () => {
    const names = [
      'header-strict',
      'host-strict',
      'host-normalize',
      'url-normalize-unreserved',
      'url-normalize-required',
    ];
    const more = ['url-ctrls-reject', 'url-path-2f-decode', 'url-path-dotseg-remove'];
    const entries = [...names, ...more].map((name) => `"${name}" => "enable"`).join(', ');
    expect(() => read(`server.http-parseopts = ( ${entries} )`)).not.toThrow();
    expect(() => read(`$HTTP["url"] =^ "/" { server.http-parseopts = ( ${entries} ) }`)).toThrow(
      /applies to the whole server/,
    );
  });
});

test("issue 12, case 7: the page's line refuses every other notation, and no path with necessary escapes", () => {
  const line =
    /\(req, res, next\) => \(\/(.*)\/i\.test\(req\.path\) \? res\.sendStatus\(400\)/.exec(ROUTES)?.[1] ?? '';
  const pattern = new RegExp(line, 'i');
  const notation = new LighttpdPath('', '')[NOTATION];
  for (let code = 0x20; code < 0x7f; code++) {
    const escape = `%${code.toString(16)}`;
    for (const path of [`/a${escape}b`, `/a${escape.toUpperCase()}b`])
      expect(pattern.test(path), path).toBe(
        !notation.isNormal(path.toUpperCase().replace('/A', '/a').replace(/B$/, 'b')),
      );
  }
  for (const path of ['//a', '/a//b', '/./a', '/a/..', '/../a', '/a/.'])
    expect(pattern.test(path), path).toBe(true);
  for (const path of ['/', '/a', '/a.b', '/.well-known', '/...', '/a..b/c'])
    expect(pattern.test(path), path).toBe(false);
});
