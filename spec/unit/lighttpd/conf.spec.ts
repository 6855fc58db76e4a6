import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  fromLighttpdConf,
  TunnelError,
  wstunnel,
  type Host,
  type TunnelOptions,
} from '../../../src/index.js';
import { readConf } from '../../../src/lighttpd/read-conf.js';
import { NOVNC_EXAMPLE } from '../../support/lighttpd.js';
import { refused } from './refused.js';

/** The options of an empty configuration: lighttpd's defaults. */
const DEFAULTS = { frameType: 'text', origins: '*', pingInterval: 0, idleTimeout: 60 };

function optionsOf(text: string): TunnelOptions {
  const { options } = fromLighttpdConf(text);
  wstunnel(options);
  return options;
}

const HOST = '( "" => ( ( "host" => "10.0.0.1", "port" => 5900 ) ) )';
const SERVER = { '': [{ host: '10.0.0.1', port: 5900 }] };

describe("lighttpd's own example", () => {
  test('is read without changes', () => {
    const conf = fromLighttpdConf(NOVNC_EXAMPLE);
    wstunnel(conf.options);
    expect(conf).toEqual({
      documentRoot: '/usr/share/novnc',
      port: 80,
      options: {
        ...DEFAULTS,
        rules: [
          {
            url: /^\/websockify/,
            server: { '': [{ host: '127.0.0.1', port: 5900 }] },
            frameType: 'binary',
          },
        ],
      },
    });
  });
});

describe('directives', () => {
  test("an empty configuration has lighttpd's defaults", () => {
    expect(fromLighttpdConf('')).toEqual({ options: DEFAULTS, port: 80 });
  });

  test('each directive has an option', () => {
    const options = optionsOf(`
      wstunnel.server = ( "/vnc" => ( "one" => ( "host" => "a", "port" => 1 ), "two" => ( "host" => "::1" ) ),
                          ".ssh" => ( ( "socket" => "/run/ssh" ), ( "host" => "/run/other", "port" => 5 ) ) )
      wstunnel.balance = "sticky"
      wstunnel.debug = "3"
      wstunnel.map-extensions = ( ".vnc" => "/vnc" )
      wstunnel.frame-type = "Binary"
      wstunnel.ping-interval = 30`);
    expect(options).toEqual({
      ...{ frameType: 'binary', origins: '*', pingInterval: 30, pongTimeout: 60, idleTimeout: 0, debug: 3 },
      balance: 'sticky',
      mapExtensions: { '.vnc': '/vnc' },
      server: {
        '/vnc': [
          { host: 'a', port: 1 },
          { host: '::1', port: 80 },
        ],
        '.ssh': [{ socket: '/run/ssh' }, { socket: '/run/other' }],
      },
    });
  });

  test('times of a host are read, and those without meaning for a tunnel are ignored', () => {
    const { server } = optionsOf(`wstunnel.server = ( "" => ( (
      "Host" => "a", "port" => 0, "connect-timeout" => 3, "disable-time" => "0", "read-timeout" => 9, "write-timeout" => 8,
      "upgrade" => "enable", "tcp-fin-propagate" => 1, "check-local" => "disable", "mode" => "responder", "docroot" => "/",
      "min-procs" => 1, "max-procs" => 2, "idle-timeout" => 5, "x-sendfile-docroot" => ("/a"), "bin-environment" => ("A" => "b")
    ) ) )`);
    expect(server).toEqual({
      '': [{ host: 'a', port: 80, connectTimeout: 3, disableTime: 0, readTimeout: 9, writeTimeout: 8 }],
    });
  });

  test('each option of a program is read', () => {
    const host = (options: string) =>
      optionsOf(`wstunnel.server = ( "" => ( ( "socket" => "/run/a",
        "bin-path" => "${process.execPath} a\tb", ${options} ) ) )`).server;
    const started = { path: process.execPath, args: ['a', 'b'], handOver: true };
    expect(
      host(`"min-procs" => 1, "max-procs" => 3, "max-load-per-proc" => 2, "idle-timeout" => 7,
        "listen-backlog" => 9, "kill-signal" => ${constants.signals.SIGINT},
        "bin-environment" => ( "A" => "b" ), "bin-copy-environment" => ( "PATH", "LANG" )`),
    ).toEqual({
      '': [
        {
          socket: '/run/a',
          spawn: {
            ...{ ...started, minProcs: 1, maxProcs: 3, maxLoadPerProc: 2, idleTimeout: 7, listenBacklog: 9 },
            ...{ killSignal: 'SIGINT', environment: { A: 'b' }, copyEnvironment: ['PATH', 'LANG'] },
          },
        },
      ],
    });
    // lighttpd starts a further process at the second connection, unless all processes run from the start.
    const limitOf = (options: string) =>
      (host(options) as Record<string, Host[]>)['']?.[0]?.spawn?.maxLoadPerProc;
    expect(limitOf('"min-procs" => 1, "max-procs" => 2')).toBe(1);
    expect(limitOf('"min-procs" => 2, "max-procs" => 2')).toBe(0);
  });

  test.each<[string, RegExp]>([
    ['wstunnel.server = ( "" => ( ( "port" => 1 ) ) )', /1:29: .*needs "host" or "socket"/],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "socket" => "/b" ) ) )', /not both/],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "prot" => 1 ) ) )', /1:56: .*"prot"; did you mean "port"/],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "port" => "x" ) ) )', /1:56: port must be a whole number/],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "port" => 65536 ) ) )', /from 0 to 65535/],
    ['wstunnel.server = ( "" => ( "host" => "a" ) )', /1:39: .*must look like/],
    ['wstunnel.server = ( ( ( "host" => "a" ) ) )', /must look like/],
    ['wstunnel.server = ( "" => "a" )', /1:27: .*must look like/],
    ['wstunnel.server = ( "" => ( ( "zzzzzzzz" => "a" ) ) )', /has no "zzzzzzzz"$/],
    ['wstunnel.server = "a"', /must look like/],
    ['wstunnel.server = ( "" => () )', /"" names no host/],
    ['wstunnel.server = ( "port" => ( ( "host" => "a" ) ) )', /"port" can't be a key/],
    ['wstunnel.server = ( "a" => ( ( "host" => "a" ) ), "1" => ( ( "host" => "b" ) ) )', /key of digits/],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "mode" => "authorizer" ) ) )', /can't authorize/],
    [
      'wstunnel.server = ( "" => ( ( "socket" => "/a", "bin-path" => "/no/such/program" ) ) )',
      /1:63: bin-path.*program/,
    ],
    [
      `wstunnel.server = ( "" => ( ( "socket" => "/a", "bin-path" => "${process.execPath}", "kill-signal" => 99 ) ) )`,
      /kill-signal: 99 is not the number of a signal/,
    ],
    [
      'wstunnel.server = ( "" => ( ( "host" => "a", "connect-timeout" => 0 ) ) )',
      /connect-timeout must be a number of seconds/,
    ],
    ['wstunnel.server = ( "" => ( ( "host" => "a", "upgrade" => "maybe" ) ) )', /"enable" or "disable"/],
    [`wstunnel.server = ( "" => ( ( "socket" => "/${'x'.repeat(105)}" ) ) )`, /too long/],
    ['wstunnel.balance = "random"', /1:20: wstunnel.balance must be one of/],
    ['wstunnel.balance = ( "hash" )', /must be a string/],
    ['wstunnel.frame-type = "txt"', /1:23: .*"text" or "binary"/],
    ['wstunnel.origins = "a"', /list of strings/],
    ['wstunnel.origins = ( "" )', /empty string/],
    ['wstunnel.origins = ( "a" => "b" )', /list of strings/],
    ['wstunnel.map-extensions = ( ".a" )', /must look like/],
    ['wstunnel.ping-interval = 901', /1:26: wstunnel.ping-interval must be .* 900/],
    ['wstunnel.debug = 70000', /from 0 to 65535/],
    [
      'wstunnel.ballance = "hash"',
      /1:1: wstunnel.ballance is not a known directive; did you mean wstunnel.balance/,
    ],
    ['server.max-read-idle = 0', /would end every tunnel/],
    ['server.stream-request-body = "yes"', /whole number/],
    ['server.port = 70000', /from 0 to 65535/],
    ['server.document-root = 5', /must be a string/],
    ['server.port = ( 5 )', /whole number/],
  ])('%s', (text, message) => {
    expect(refused(text)).toMatch(message);
    expect(refused(text)).toMatch(/^lighttpd\.conf:1:\d+: /);
  });

  test('origins are compared as in lighttpd: by their end, after a dot', () => {
    const { origins } = optionsOf('wstunnel.origins = ( "a.example", "https://b.example" )');
    const passes = (origin: string) => (origins as RegExp[]).some((one) => one.test(origin));
    expect(passes('https://www.a.example')).toBe(true);
    expect(passes('https://a.example')).toBe(false);
    expect(passes('https://nota.example')).toBe(false);
    expect(passes('https://wwwXa.example')).toBe(false);
    expect(passes('https://www.a.example.evil')).toBe(false);
    expect(passes('https://www.A.example')).toBe(false);
    expect(passes('https://b.example')).toBe(true);
    expect(passes('https://bXexample')).toBe(false);
    expect(passes('https://c.b.example')).toBe(false);
    expect(optionsOf('wstunnel.origins = ()').origins).toBe('*');
  });

  test('idle time: idleTimeout without PINGs, pongTimeout with PINGs', () => {
    const times = (text: string) => {
      const { pingInterval, pongTimeout, idleTimeout } = optionsOf(text);
      return [pingInterval, pongTimeout, idleTimeout];
    };
    expect(times('server.max-read-idle = 90')).toEqual([0, undefined, 90]);
    expect(times('wstunnel.ping-interval = 10')).toEqual([10, 60, 0]);
    expect(times('wstunnel.ping-interval = 10\nserver.max-read-idle = 20')).toEqual([10, 20, 0]);
    expect(times('wstunnel.ping-interval = 10\nserver.max-read-idle = 900')).toEqual([10, 300, 0]);
    expect(times('wstunnel.ping-interval = 60')).toEqual([60, undefined, 60]);
  });

  test('idle time in several conditions: each needs both directives', () => {
    const both = (url: string) =>
      `$HTTP["url"] == "${url}" { server.max-read-idle = 5\n wstunnel.ping-interval = 3 }\n`;
    expect(optionsOf(both('/a') + both('/b')).rules).toMatchObject([
      { pingInterval: 3, pongTimeout: 5 },
      { pingInterval: 3, pongTimeout: 5 },
    ]);
    expect(refused(`${both('/a')}$HTTP["url"] == "/b" { server.max-read-idle = 5 }`)).toMatch(
      /set both in each of them/,
    );
  });

  test('idle time in conditions: both directives are combined', () => {
    const { rules } = optionsOf(`
      server.max-read-idle = 100
      $HTTP["url"] == "/a" { wstunnel.ping-interval = 5 $HTTP["host"] == "h" { server.max-read-idle = 50 } }`);
    expect(rules?.[0]).toMatchObject({ pingInterval: 5, pongTimeout: 100, idleTimeout: 0 });
    expect(rules?.[0]?.rules?.[0]).toMatchObject({ pingInterval: 5, pongTimeout: 50, idleTimeout: 0 });
    const apart =
      '$HTTP["url"] == "/a" { wstunnel.ping-interval = 5 }\n$HTTP["host"] == "h" { server.max-read-idle = 50 }';
    expect(refused(apart)).toMatch(/^lighttpd.conf:2:\d+: .*set both in each/);
  });
});

describe('directives of other modules', () => {
  test('that do not affect a tunnel are ignored', () => {
    const conf = fromLighttpdConf(`
      server.modules = ( "mod_access" )
      server.errorlog = "/var/log/e"
      server.username = "www-data"
      mimetype.assign = ( ".html" => "text/html" )
      accesslog.filename = "/x"
      server.http-parseopts = ( "header-strict" => "enable" )
      $HTTP["url"] =~ "(a+)+$" { expire.url = ( "" => "access 1 hours" ) }`);
    expect(conf).toEqual({ options: DEFAULTS, port: 80 });
  });

  test.each([
    ...[
      'auth.require = ( "" => ( "method" => "basic" ) )',
      'ssl.engine = "enable"',
      'url.access-deny = ( "~" )',
    ],
    ...['url.rewrite-once = ( "a" => "b" )', 'alias.url = ( "/a" => "/b" )', 'proxy.server = ( "" => () )'],
    ...[
      'extforward.forwarder = ( "a" => "trust" )',
      'setenv.add-response-header = ( "A" => "b" )',
      'a.b = 1',
    ],
    ...['server.max-write-idle = 9', 'server.chroot = "/"', 'static-file.exclude-extensions = ( ".php" )'],
  ])('like %s are errors that name an alternative', (text) => {
    const name = text.split(' ', 1)[0]!;
    const inside = `\n$HTTP["host"] == "a" {\n  ${text}\n}`;
    for (const [conf, place] of [
      [text, '1:1'],
      [inside, '3:3'],
    ] as const) {
      const message = refused(conf);
      expect(message.startsWith(`lighttpd.conf:${place}: ${name} `)).toBe(true);
      expect(message).toContain(`ignore: ['${name}']`);
      expect(fromLighttpdConf(conf, { ignore: [name.toUpperCase()] }).options).toEqual(DEFAULTS);
      expect(fromLighttpdConf(conf, { ignore: [`${name.split('.', 1)[0]!}.*`] }).options).toEqual(DEFAULTS);
    }
  });

  test('of different kinds name different alternatives', () => {
    expect(refused('setenv.add-response-header = ()')).toContain('helmet');
    expect(refused('setenv.add-request-header = ()')).toContain('req.headers');
    expect(refused('url.rewrite-if-not-file = ()')).toContain('req.url');
    expect(refused('ssl.pemfile = ""')).toContain('node:https');
  });

  test('of mod_wstunnel cannot be ignored', () => {
    expect(fromLighttpdConf(`wstunnel.server = ${HOST}`, { ignore: ['wstunnel.*'] }).options.server).toEqual(
      SERVER,
    );
  });

  test('with secrets are reported without them', () => {
    expect(refused('vhostdb.mysql = ( "password" => "hunter2" )')).not.toContain('hunter2');
    expect(refused('x = "hunter2" "hunter3"')).not.toContain('hunter');
    expect(refused('x = env.SECRET + ()', { environment: { SECRET: 'hunter2' } })).not.toContain('hunter');
  });
});

test('server.max-write-idle is writeTimeout for the command, and a value out of range has its place', () => {
  const read = (directive: string) =>
    readConf(`${directive}\nwstunnel.server = ( "" => ( ( "host" => "::1", "port" => 1 ) ) )`, {
      reader: 'command',
    });
  expect(read('server.max-write-idle = 7').conf?.options.writeTimeout).toBe(7);
  expect(read('server.max-write-idle = 700000000').problems).toMatchObject([
    { message: expect.stringMatching(/^lighttpd\.conf:1:\d+: server\.max-write-idle must be/) as string },
  ]);
});

describe('the listen addresses of a lighttpd.conf', () => {
  test('are returned for programs that listen and serve', () => {
    const conf = fromLighttpdConf(`
      server.port = "8080"
      server.bind = "[::1]"
      server.document-root = "/srv"
      index-file.names = ( "index.html", "vnc.html" )
      server.max-connections = 100
      $SERVER["socket"] == "127.0.0.1:81" { }
      $SERVER["socket"] == "[::]:80" { }
      $SERVER["socket"] == ":82" { }
      $SERVER["socket"] == "/run/web" { }`);
    expect(conf).toEqual({
      ...{ port: 8080, bind: '::1', documentRoot: '/srv', indexFiles: ['index.html', 'vnc.html'] },
      maxConnections: 100,
      sockets: [
        { port: 81, bind: '127.0.0.1' },
        { port: 80, bind: '::' },
        { port: 82 },
        { socket: '/run/web' },
      ],
      options: DEFAULTS,
    });
    expect(fromLighttpdConf('server.bind = "/run/x"\nserver.port = 5')).toMatchObject({ socket: '/run/x' });
    expect(fromLighttpdConf('server.use-ipv6 = "enable"')).toMatchObject({ bind: '::' });
    for (const all of ['', '*'])
      expect(fromLighttpdConf(`server.bind = "${all}"`)).toEqual({ port: 80, options: DEFAULTS });
  });

  test.each<[string, RegExp]>([
    [
      '$HTTP["host"] == "a" { server.document-root = "/a" }',
      /1:24: server.document-root applies to the whole server/,
    ],
    ['$HTTP["host"] == "a" { server.port = 1 }', /applies to the whole server/],
    ['$HTTP["host"] == "a" { wstunnel.debug = 1 }', /applies to the whole server/],
    ['server.bind = "0.0.0.0:80"', /an address without a port/],
    ['$SERVER["socket"] == "[nonsense]" { }', /an address and port/],
    ['$SERVER["socket"] =~ ":80" { }', /only be compared with ==/],
    ['$SERVER["name"] == ":80" { }', /only has the field "socket"/],
    [`$SERVER["socket"] == ":80" { wstunnel.server = ${HOST} }`, /1:1: a middleware does not know/],
    [`$SERVER["socket"] == ":80" { ssl.engine = "enable" }`, /1:30: ssl.engine/],
  ])('%s', (text, message) => {
    expect(refused(text)).toMatch(message);
  });

  test('with TLS set by another module are not returned as plain ones', () => {
    const text = '$SERVER["socket"] == ":443" { ssl.engine = "enable" }';
    expect(fromLighttpdConf(text, { ignore: ['ssl.*'] })).toEqual({ options: DEFAULTS, port: 80 });
  });

  test("use lighttpd's default port", () => {
    expect(fromLighttpdConf('')).toMatchObject({ port: 80 });
    expect(fromLighttpdConf('ssl.engine = "enable"', { ignore: ['ssl.*'] })).toMatchObject({ port: 443 });
    expect(fromLighttpdConf('server.bind = "/run/x"')).not.toHaveProperty('port');
    expect(fromLighttpdConf('$SERVER["socket"] == "[::1]" { }').sockets).toEqual([{ port: 80, bind: '::1' }]);
  });
});

describe('arguments of fromLighttpdConf', () => {
  test('are checked', () => {
    const read = fromLighttpdConf as (...given: unknown[]) => unknown;
    expect(() => read(5)).toThrow(TunnelError);
    expect(() => read('', { includes: 1 })).toThrow(/did you mean "include"/);
    expect(() => read('', { ignore: ['a b'] })).toThrow(/ignore/);
    expect(() => read('', { ignore: 'ssl.*' })).toThrow(/ignore/);
    expect(() => read('', { include: 'x' })).toThrow(/include/);
    for (const environment of [5, null])
      expect(() => read('', { environment })).toThrow(/environment must be an object/);
  });

  test('the file name starts each message', () => {
    expect(refused('\n\n  ?', { file: '/etc/l.conf' })).toMatch(/^\/etc\/l\.conf:3:3: /);
  });
});
