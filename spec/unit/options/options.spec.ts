import { describe, expect, test } from 'vitest';
import { memoryShared, TunnelError, wstunnel, type TunnelOptions } from '../../../src/index.js';
import { readOptions } from '../../../src/options/read-tunnel.js';

/** The error for invalid options. */
function refused(options: unknown): TunnelError {
  try {
    readOptions(options as TunnelOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    return error as TunnelError;
  }
  throw new Error('the options were taken');
}

const hook = () => true;
const host = (more: object) => ({ server: { port: 5900, ...more } });
const vnc = (given: object) => ({ server: { port: 5900 }, vnc: given });

describe('valid values', () => {
  const right: [string, unknown[]][] = [
    ['url', ['/', '/vnc', '/vnc/', /^\/vnc/i, ['/a', /b/], undefined]],
    [
      'server',
      [
        ...[
          { port: 1 },
          { port: 65535 },
          { socket: '/run/vnc' },
          [{ port: 1 }, { port: 2 }],
          () => undefined,
        ],
        { '/vnc': { port: 1 }, '.ssh': [{ port: 2 }, { port: 3 }], ws: { port: 4 }, '': { port: 5 } },
      ],
    ],
    [
      'balance',
      [
        ...['fair', 'least-connection', 'round-robin', 'hash', 'sticky'],
        { pick: hook },
        { pick: hook, opened: hook, closed: hook },
      ],
    ],
    ['stickyKey', [hook]],
    ['mapExtensions', [{}, { '.a': '/b', '.c': '' }]],
    ['frameType', ['binary', 'text']],
    ['subprotocol', [() => undefined]],
    [
      'origins',
      [
        'same',
        '*',
        hook,
        ['https://a.b', 'a.b', 'a.b:8443', '*.a.b', '.a.b', 'https://*.a.b', '[::1]:80', /^x$/],
      ],
    ],
    ['allow', [['192.0.2.1'], ['192.0.2.0/24', '2001:db8::/32', '::ffff:192.0.2.0/120', 'fe80::1%eth0']]],
    ['deny', [['0.0.0.0/0', '::/0']]],
    ['clientAddress', [hook]],
    ['authenticate', [hook]],
    ['user', [hook]],
    ['revalidate', [0, 0.1, 86_400, { every: 60 }, { every: 0, touch: 'never' }, { every: 5, failAfter: 5 }]],
    ['record', [hook]],
    [
      'vnc',
      [hook, {}, { password: 'x', username: 'y', viewOnly: true, inputIdleTimeout: 60 }, { password: hook }],
    ],
    ['pingInterval', [0, 0.5, 900]],
    ['pongTimeout', [0, 300]],
    ['handshakeTimeout', [0.001, 300]],
    ['idleTimeout', [0, 86_400]],
    ['maxDuration', [0, 31_622_400]],
    ['closeTimeout', [0.001, 300]],
    ['refuseWith', ['http', 'close']],
    ['onRefuse', [hook]],
    [
      'limits',
      [{}, { buffered: 65536 }, { buffered: 1024 ** 3 }, { total: 0, perClient: 1_000_000, perUser: 2 }],
    ],
    [
      'limits',
      [{ opening: 0 }, { opening: 1_000_000 }, { opening: {} }, { opening: { total: 0, perClient: 7 } }],
    ],
    [
      'rules',
      [
        [],
        [{}],
        [{ url: '/a', frameType: 'text', rules: [{ url: [/b/], else: { deny: ['::/0'] } }] }],
        [
          {
            when: {
              host: 'a',
              remoteAddress: ['10.0.0.0/8', /^x/],
              query: { startsWith: '' },
              scheme: 'https',
            },
          },
        ],
        [
          {
            when: {
              headers: { 'X-Y': { equals: ['a', 'b'], notMatches: /c/ } },
              not: { any: [{ url: 'x' }] },
            },
          },
        ],
      ],
    ],
    ['debug', [0, 65535]],
    ['autoAttach', [true, false]],
    ['name', ['vnc']],
    ['shared', [memoryShared()]],
  ];
  test.each(right)('%s', (name, values) => {
    for (const value of values) expect(() => readOptions({ [name]: value }), String(value)).not.toThrow();
  });

  test.each([
    ['host', ['vnc.example', '::1']],
    ['tls', [true, false, {}, { servername: 'desk', rejectUnauthorized: false }]],
    ['connectTimeout', [0.001, 300]],
    ['disableTime', [0, 3600]],
    ['maxTunnels', [0, 5]],
    ['onFull', ['refuse', 'takeover']],
    ['weight', [1, 100]],
    ['backup', [false]],
    ['noDelay', [true, false]],
    ['keepAlive', [0, 7200]],
    ['localAddress', ['127.0.0.1', '::1']],
    ['lookup', [hook]],
    ['proxyProtocol', [1, 2]],
  ])('server.%s', (name, values) => {
    for (const value of values) expect(() => readOptions(host({ [name]: value }))).not.toThrow();
  });

  test('every option may be missing or undefined', () => {
    expect(readOptions({})).toMatchObject({
      base: {
        ...{ server: undefined, frameType: 'binary', origins: { needed: false }, refuseWith: 'http' },
        ...{ pingInterval: 30, pongTimeout: 20, handshakeTimeout: 30, closeTimeout: 10 },
      },
      rules: [],
      limits: {
        total: 0,
        perClient: 0,
        perUser: 0,
        buffered: 1024 * 1024,
        opening: { total: 1000, perClient: 750 },
      },
      ...{ debug: 0, autoAttach: true },
    });
    const names = right.map(([name]) => [name, undefined]);
    expect(() => readOptions(Object.fromEntries(names) as TunnelOptions)).not.toThrow();
    expect(readOptions({ server: { port: 1 } }).base.server).toEqual([
      {
        ...{ id: '127.0.0.1:1', maxTunnels: 0, weight: 1, backup: false },
        ...{ port: 1, connectTimeout: 8, disableTime: 1, readTimeout: 0, writeTimeout: 0 },
        ...{ noDelay: true, keepAlive: 60, onFull: 'refuse' },
      },
    ]);
  });

  test('a host that starts with "/" is a socket path', () => {
    const { server } = readOptions({ server: { host: '/run/vnc.sock' } }).base;
    expect(server).toEqual(readOptions({ server: { socket: '/run/vnc.sock' } }).base.server);
    expect(server).toMatchObject([{ id: 'unix:/run/vnc.sock', socket: '/run/vnc.sock' }]);
  });
});

describe('an invalid value is refused with option, value and fix', () => {
  test.each<[unknown, string[]]>([
    [undefined, ['options', 'object', 'undefined']],
    [{ url: 'vnc' }, ['url ', "'vnc'", 'begins with "/"']],
    [{ url: '/vnc?x' }, ['url ', 'no query']],
    [{ url: [] }, ['url ', 'at least one']],
    [{ url: ['/a', 7] }, ['url ', '7']],
    [{ url: /x/g }, ['url ', '/x/g', 'without the flags g and y']],
    [{ url: [/x/y] }, ['url ', '/x/y', 'without the flags g and y']],
    [{ server: [] }, ['server ', 'at least one host', '[]']],
    [{ server: 'localhost:5900' }, ['server ', 'object', "'localhost:5900'"]],
    [
      { server: { '/vnc': 'localhost:5900' } },
      ['server["/vnc"] ', "write { host: 'localhost', port: 5900 }"],
    ],
    [{ server: { '/vnc': 5900 } }, ['server["/vnc"] ', 'write { port: 5900 }']],
    [{ server: null }, ['server ', 'object', 'null']],
    [{ server: {} }, ['server ', 'needs a port']],
    [{ server: { host: 'a' } }, ['server ', 'needs a port (or a socket)']],
    [{ server: [{ port: 1 }, { port: 0 }] }, ['server[1].port', '1 to 65535', '0']],
    [host({ port: 65536 }), ['server.port', '65536']],
    [host({ port: '5900' }), ['server.port', "'5900'"]],
    [host({ socket: '/x' }), ['server ', 'either socket or host and port']],
    [host({ host: '/x' }), ['server ', 'either socket or host and port']],
    [{ server: { socket: '/x', host: 'a' } }, ['server ', 'either socket or host and port']],
    [{ server: { socket: '' } }, ['server.socket', 'not empty']],
    [host({ host: '' }), ['server.host', 'not empty']],
    [host({ host: '[::1]' }), ['server.host', 'without brackets']],
    [host({ noDelay: 1 }), ['server.noDelay', 'true or false']],
    [host({ localAddress: 'eth0' }), ['server.localAddress', 'IP address', "'eth0'"]],
    [vnc(new Map([['viewOnly', true]])), ['vnc ', 'an object such as { password, viewOnly }']],
    [vnc(Promise.resolve({ viewOnly: true })), ['vnc ', 'an object such as', 'a function of the request']],
    [vnc({ readOnly: true }), ['vnc ', '"readOnly"', 'did you mean "viewOnly"']],
    [vnc({ idleTimeout: 60 }), ['vnc ', '"idleTimeout"', 'did you mean "inputIdleTimeout"']],
    [vnc({ password: 12345678 }), ['vnc.password ', 'a text that is not empty', 'got a number']],
    [vnc({ password: undefined }), ['vnc.password ', 'undefined', 'is the environment variable set?']],
    [vnc({ password: 'x\n' }), ['vnc.password ', 'without a line break', 'trim()']],
    [vnc({ username: 'ann' }), ['vnc.username ', 'needs the option password']],
    [host({ connect: hook }), ['server ', 'either connect or an address']],
    [host({ proxyProtocol: 3 }), ['server.proxyProtocol', '1 or 2', '3']],
    [{ server: { socket: '/x', localAddress: '127.0.0.1' } }, ['server ', 'not both']],
    [host({ lookup: 'dns' }), ['server.lookup', 'function']],
    [{ balance: 'fairr' }, ['balance ', "'fairr'", 'did you mean "fair"?']],
    [{ balance: {} }, ['balance ', 'pick()']],
    [{ balance: { pick: hook, opened: 1 } }, ['balance.opened', 'function', '1']],
    [{ balance: { pick: hook, closed: 1 } }, ['balance.closed', 'function', '1']],
    [{ frameType: 'txt' }, ['frameType ', 'did you mean "text"?']],
    [{ subprotocol: 'binary' }, ['subprotocol ', 'function']],
    [{ origins: 'any' }, ['origins ', '"same"', "'any'"]],
    [{ origins: [] }, ['origins ', 'at least one']],
    [{ origins: ['https://a.b/'] }, ['origins ', "'https://a.b/'", '*.a.example']],
    [{ origins: ['*'] }, ['origins ', "'*'"]],
    [{ origins: ['ftp://a.b'] }, ['origins ', "'ftp://a.b'"]],
    [{ origins: [7] }, ['origins ', '7']],
    [{ origins: [/x/g] }, ['origins ', '/x/g']],
    [{ allow: [] }, ['allow ', 'leave it out']],
    [{ deny: [] }, ['deny ', 'leave it out']],
    [{ allow: '192.0.2.1' }, ['allow must be a list of addresses', "'192.0.2.1'"]],
    [{ deny: ['192.0.2.1', 'localhost'] }, ['deny ', "'localhost'", '192.0.2.0/24']],
    [{ clientAddress: '1.2.3.4' }, ['clientAddress ', 'function']],
    [{ authenticate: true }, ['authenticate ', 'function', 'true']],
    [{ user: 'me' }, ['user ', 'function']],
    [{ refuseWith: 'Close' }, ['refuseWith ', 'did you mean "close"?']],
    [{ onRefuse: null }, ['onRefuse ', 'function', 'null']],
    [{ refuseWith: 'close', onRefuse: hook }, ['onRefuse ', "refuseWith: 'close'", 'leave one out']],
    [
      { refuseWith: 'close', rules: [{ rules: [{ onRefuse: hook, rules: [] }] }] },
      ['onRefuse ', 'leave one out', 'rules[0].rules[0]'],
    ],
    [{ stickyKey: 'x' }, ['stickyKey ', 'function']],
    [{ mapExtensions: { '.a': 1 } }, ['mapExtensions[".a"] ', 'string', '1']],
    [{ server: { '/x': { prot: 1 } } }, ['server["/x"] has no "prot"']],
    [{ server: { '/x': [] } }, ['server["/x"] ', 'at least one host']],
    [{ server: { port: 1, backup: true } }, ['server ', 'not a backup']],
    [host({ tls: 'yes' }), ['server.tls', 'tls.connect']],
    [host({ tls: { cert: 'none' } }), ['server.tls', "can't be used"]],
    [host({ tls: { ca: '/etc/ssl/ca.pem' } }), ['server.tls.ca', 'no certificate in PEM form']],
    [host({ host: 'localhost\0.evil', port: 1 }), ['server.host', 'must be a name or an address']],
    [host({ host: 'ann:secret@desk' }), ['server.host', 'without a user', "got '***'"]],
    [host({ weight: 0 }), ['server.weight', '1 to 100']],
    [host({ maxTunnels: -1 }), ['server.maxTunnels', '-1']],
    [{ rules: {} }, ['rules ', 'list']],
    [{ rules: [7] }, ['rules[0] ', 'object']],
    [{ rules: [{ rules: [{ server: { port: 0 } }] }] }, ['rules[0].rules[0].server.port', '0']],
    [{ rules: [{ else: { when: { hst: 'a' } } }] }, ['rules[0].else.when has no "hst"', '"host"']],
    [{ rules: [{ limits: {} }] }, ['rules[0] has no "limits"']],
    [{ rules: [{ when: { host: [] } }] }, ['rules[0].when.host', 'at least one']],
    [{ rules: [{ when: { host: /a/g } }] }, ['rules[0].when.host', 'flags g and y']],
    [{ rules: [{ when: { query: { matches: 'a' } } }] }, ['rules[0].when.query.matches', 'RegExp']],
    [{ rules: [{ when: { query: { equal: 'a' } } }] }, ['when.query has no "equal"; did you mean "equals"']],
    [{ rules: [{ when: { remoteAddress: '10.0.0.0/99' } }] }, ['when.remoteAddress', "'10.0.0.0/99'"]],
    [{ rules: [{ when: { remoteAddress: { notEquals: ['x'] } } }] }, ['remoteAddress.notEquals', "'x'"]],
    [{ rules: [{ when: { scheme: 'wss' } }] }, ['when.scheme', '"https"']],
    [{ rules: [{ when: { headers: { origin: 7 } } }] }, ['when.headers.origin', '7']],
    [{ rules: [{ when: { any: [] } }] }, ['when.any', 'at least one condition']],
    [{ limits: 1 }, ['limits ', 'object']],
    [{ limits: { buffered: 65535 } }, ['limits.buffered', '65536', '65535']],
    [{ limits: { opening: -1 } }, ['limits.opening', '0', '-1']],
    [{ limits: { opening: 1.5 } }, ['limits.opening', 'whole number', '1.5']],
    [{ limits: { opening: '10' } }, ['limits.opening', 'whole number', "'10'"]],
    [{ limits: { opening: null } }, ['limits.opening', 'object', 'null']],
    [{ limits: { opening: [10] } }, ['limits.opening', 'object', '10']],
    [{ limits: { opening: { total: -1 } } }, ['limits.opening.total', '-1']],
    [{ limits: { opening: { perclient: 1 } } }, ['limits.opening', 'did you mean "perClient"?']],
    [{ debug: 65536 }, ['debug ', '65535', '65536']],
    [{ debug: 1.5 }, ['debug ', 'whole number', '1.5']],
    [{ revalidate: 0.01 }, ['revalidate ', 'from 0.1 to 86400', '0.01']],
    [{ revalidate: 90_000 }, ['revalidate ', 'did you mean 90?']],
    [{ revalidate: null }, ['revalidate ', 'must be an object', 'null']],
    [{ revalidate: { touch: 'always' } }, ['revalidate.every ', 'must be given']],
    [{ revalidate: { every: 60, touch: 'allways' } }, ['revalidate.touch ', 'did you mean "always"']],
    [{ revalidate: { every: 60, failAfter: 30 } }, ['revalidate.failAfter ', 'at least the 60 seconds']],
    [{ revalidate: { every: 60, interval: 1 } }, ['revalidate ', 'has no "interval"']],
    [{ name: '' }, ['name ', 'not empty']],
    [{ shared: 7 }, ['shared ', 'the result of memoryShared(), redisShared() or clusterShared()', '7']],
    [host({ onFull: 'takeOver' }), ['server.onFull', 'did you mean "takeover"?']],
    [{ autoAttach: 'yes' }, ['autoAttach ', 'true or false', "'yes'"]],
    [{ vnc: true }, ['vnc ', 'object such as { password, viewOnly }, or a function of the request']],
    [{ vnc: [] }, ['vnc ', 'must be an object']],
    [{ vnc: null }, ['vnc ', 'must be an object']],
    [
      { vnc: { password: '' } },
      ['vnc.password ', 'a text that is not empty (got an empty text), or a function'],
    ],
    [{ vnc: { username: 'ann' } }, ['vnc.username ', 'needs the option password', "'ann'"]],
    [{ vnc: { password: hook, username: 7 } }, ['vnc.username ', '7']],
    [{ vnc: { viewOnly: 'yes' } }, ['vnc.viewOnly ', 'true or false', "'yes'"]],
    [{ rules: [{ vnc: { viewOnly: 1 } }] }, ['rules[0].vnc.viewOnly ', 'true or false', '1']],
    [{ control: 'resize' }, ['control ', 'must be a function', "'resize'"]],
    [{ control: {} }, ['control ', 'must be a function']],
    [{ rules: [{ control: true }] }, ['rules[0].control ', 'must be a function', 'true']],
    [{ control: hook, frameType: 'text' }, ['control ', 'needs frameType "binary"']],
    [{ control: hook, server: { url: 'ws://desk.lan/' } }, ['control ', 'ws://desk.lan/', 'mode: "bytes"']],
    [{ vnc: {}, server: { url: 'ws://desk.lan/' } }, ['vnc ', 'ws://desk.lan/', 'mode: "bytes"']],
  ])('%o', (options, parts) => {
    const error = refused(options);
    expect(error.code).toBe('WSTUNNEL_OPTION');
    for (const part of parts) expect(error.message).toContain(part);
  });

  test.each([
    ['pingInterval', 900],
    ['pongTimeout', 300],
    ['handshakeTimeout', 300],
    ['idleTimeout', 86_400],
    ['maxDuration', 31_622_400],
    ['vnc.inputIdleTimeout', 86_400],
    ['closeTimeout', 300],
    ['server.connectTimeout', 300],
    ['server.disableTime', 3600],
    ['server.keepAlive', 7200],
  ])('%s above its maximum is reported as milliseconds', (name, ceiling) => {
    const given = (value: unknown) => {
      const [key = '', inner] = name.split('.');
      return refused(
        inner === undefined
          ? { [key]: value }
          : { [key]: { ...(key === 'server' && { port: 1 }), [inner]: value } },
      ).message;
    };
    const milliseconds = Math.max(30_000, 2 * ceiling);
    expect(given(milliseconds)).toContain(name);
    expect(given(milliseconds)).toContain(`(it is in seconds; did you mean ${milliseconds / 1000}?)`);
    expect(given(ceiling + 0.5)).toContain(`to ${ceiling}`);
    for (const value of [-1, NaN, Infinity, '5', null]) expect(given(value)).toContain(`to ${ceiling}`);
  });
});

describe('unknown names', () => {
  test.each<[unknown, string]>([
    [{ sever: {} }, 'options has no "sever"; did you mean "server"?'],
    [{ Origins: [] }, 'options has no "Origins"; did you mean "origins"?'],
    [{ handshakeTimeOut: 3 }, 'did you mean "handshakeTimeout"?'],
    [{ server: { prot: 1 } }, 'server has no "prot"; did you mean "port"?'],
    [
      { server: [{ port: 1 }, { port: 2, sockets: 1 }] },
      'server[1] has no "sockets"; did you mean "socket"?',
    ],
    [{ limits: { bufferd: 1 } }, 'limits has no "bufferd"; did you mean "buffered"?'],
    [{ vnc: { viewonly: true } }, 'vnc has no "viewonly"; did you mean "viewOnly"?'],
    [{ vnc: { inputIdleTimout: 1 } }, 'vnc has no "inputIdleTimout"; did you mean "inputIdleTimeout"?'],
    [{ rule: [] }, 'did you mean "rules"?'],
    [{ toString: hook }, 'options has no "toString"'],
  ])('in %o are refused with the nearest known name', (options, message) => {
    expect(refused(options).message).toContain(message);
  });

  test('far from every known name get no suggestion', () => {
    expect(refused({ completelyElse: 1 }).message).toBe('wstunnel: options has no "completelyElse"');
  });
});

describe('issue 13, case 23: messages show what to write', () => {
  test.each<[unknown, string]>([
    [{ server: 'localhost:5900' }, "write { host: 'localhost', port: 5900 }"],
    [{ server: '5900' }, 'write { port: 5900 }'],
    [{ server: 5900 }, 'got 5900; write { port: 5900 }'],
    [{ server: ':5900' }, 'write { port: 5900 }'],
    [{ server: '[::1]:5900' }, "write { host: '::1', port: 5900 }"],
    [{ server: 'unix:/run/vnc.sock' }, "write { socket: '/run/vnc.sock' }"],
    [{ server: '/run/vnc.sock' }, "write { socket: '/run/vnc.sock' }"],
    [{ server: 'tls:desk.lan:5900' }, "write { host: 'desk.lan', port: 5900, tls: true }"],
    [{ server: 'tcp://desk.lan:5900' }, "write { host: 'desk.lan', port: 5900 }"],
    [{ server: 'https://desk.lan:5900/vnc' }, "write { host: 'desk.lan', port: 5900, tls: true }"],
    [{ server: 'wss://desk.lan:5900/vnc?token=x' }, "write { url: 'wss://desk.lan:5900/vnc' }"],
    [{ server: 'localhost' }, "got 'localhost'; write { host: 'desk.lan', port: 5900 }"],
    [
      { server: [{ port: 1 }, 'desk.lan:2'] },
      "server[1] must be an object; got 'desk.lan:2'; write { host: 'desk.lan', port: 2 }",
    ],
    [{ server: { '/vnc': [{ port: 1 }, 'desk.lan:2'] } }, "write { host: 'desk.lan', port: 2 }"],
    [{ rules: [{ server: 'desk.lan:2' }] }, 'rules[0].server must be an object'],
    [{ target: 'localhost:5900' }, 'options has no "target"; did you mean "server"?'],
    [{ host: 'localhost', port: 5900 }, 'options has no "host"; did you mean "server"?'],
    [
      host({ host: 'localhost:5900' }),
      "server.host must be only a name or an address; write { host: 'localhost', port: 5900 }",
    ],
    [host({ host: 'tcp://desk.lan:5900' }), "write { host: 'desk.lan', port: 5900 }"],
    [host({ host: 'tls:desk.lan:5900' }), 'tls: true'],
    [host({ host: '::1:5900:' }), 'server.host must be only a name or an address'],
    [host({ hots: 'x' }), 'server has no "hots"; did you mean "host"?'],
    [host({ port: '5900' }), "got '5900'; environment variables are text: Number(process.env.VNC_PORT)"],
    [host({ port: NaN }), 'got NaN; is the environment variable set?'],
    [host({ port: undefined }), 'needs a port (or a socket); got { port }; is the environment variable set?'],
    [{ allow: '10.0.0.0/8' }, "got '10.0.0.0/8'; write [ '10.0.0.0/8' ]"],
    [{ deny: '10.0.0.0/8, ::1' }, "write [ '10.0.0.0/8', '::1' ]"],
    [{ origins: 'https://desk.example' }, "write [ 'https://desk.example' ]"],
  ])('%o', (options, message) => {
    expect(refused(options).message).toContain(message);
  });

  test.each(['http://ann:hunter2@desk.lan:5900', 'http://ann:hunter2@desk.lan', 'ann:hunter2@desk.lan:5900'])(
    'a password in %s is not shown',
    (text) => {
      for (const options of [{ server: text }, host({ host: text })])
        expect(refused(options).message).not.toContain('hunter2');
    },
  );

  test.each(['::1', 'fe80::1%eth0', '::ffff:127.0.0.1', 'desk.lan', '127.0.0.1'])(
    'the host %s is accepted',
    (name) => {
      expect(() => wstunnel({ server: { host: name, port: 5900 } })).not.toThrow();
    },
  );
});

test('rules and conditions that contain themselves are refused', () => {
  const rule: Record<string, unknown> = {};
  rule.rules = [rule];
  expect(refused({ rules: [rule] }).message).toContain('rules nested more than 32 levels deep');
  const other: Record<string, unknown> = {};
  other.else = other;
  expect(refused({ rules: [other] }).message).toContain('in one chain of else');
  const when: Record<string, unknown> = {};
  when.not = when;
  expect(refused({ rules: [{ when }] }).message).toContain('conditions nested more than 32 levels deep');
});

test('no error shows the content of objects or the value of an unknown name', () => {
  const secret = 'hunter2';
  for (const options of [
    { server: { port: 1, password: secret } },
    { server: { port: 1, tls: { key: secret } } },
    { server: { socket: '/x', port: 1, host: secret } },
    { server: { '/x': { password: secret } } },
    { authenticate: { password: secret } },
    { onRefuse: Object.assign(new Map([[secret, secret]]), { password: secret }) },
    { origins: [{ password: secret }] },
    { authenticate: [{ password: secret }] },
    { limits: Object.assign(() => 1, { password: secret }) },
    { allow: new Error(secret) },
    { token: secret },
    { vnc: secret },
    { vnc: [secret] },
    { vnc: { password: [secret] } },
    { vnc: { password: Buffer.from(secret) } },
    { vnc: { passwrod: secret } },
    { vnc: { password: secret, viewOnly: 'yes' } },
    { control: { password: secret } },
  ]) {
    const { message } = refused(options);
    expect(message).not.toContain(secret);
    expect(message).not.toContain('\n');
  }
  expect(refused({ frameType: 'x'.repeat(500) }).message.length).toBeLessThan(200);
});

test('objects changed afterwards do not change the options', () => {
  const server = [{ host: 'a', port: 1 }];
  const allow = ['192.0.2.1'];
  const url = ['/vnc'];
  const origins = ['https://a.b'];
  const limits = { buffered: 65536 };
  const options: TunnelOptions = { url, server, allow, origins, limits, pingInterval: 5 };
  const settings = readOptions(options);
  server[0]!.port = 2;
  server.push({ host: 'b', port: 3 });
  allow[0] = '198.51.100.1';
  url[0] = '/other';
  origins[0] = 'https://evil.example';
  limits.buffered = 99999;
  options.pingInterval = 6;
  expect(settings).toMatchObject({
    base: { server: [{ host: 'a', port: 1 }], pingInterval: 5 },
    limits: { buffered: 65536 },
  });
  expect(settings.base.server).toHaveLength(1);
  expect([settings.matchesUrl('/vnc'), settings.matchesUrl('/other')]).toEqual([true, false]);
  expect(settings.base.allow?.check('192.0.2.1')).toBe(true);
  expect(settings.base.origins.check('https://evil.example', {} as never)).toBe(false);
  for (const object of [settings, settings.base, settings.base.server, (settings.base.server as object[])[0]])
    expect(Object.isFrozen(object)).toBe(true);
});

test('the factory itself throws for invalid options', () => {
  expect(() => wstunnel({ server: { port: 0 } })).toThrow(/server\.port/);
});
