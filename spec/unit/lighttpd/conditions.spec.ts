import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, TunnelError } from '../../../src/index.js';
import { match } from '../../../src/tunnel/route.js';
import { readOptions } from '../../../src/options/read-tunnel.js';

interface Visit {
  path?: string;
  query?: string;
  host?: string;
  address?: string;
  headers?: Record<string, string>;
  secure?: boolean;
}

/** The strategy chosen by the conditions for a request. */
function balanceOf(text: string) {
  const settings = readOptions(
    fromLighttpdConf(
      `wstunnel.server = ( "" => ( ( "host" => "a" ) ) )\nwstunnel.frame-type = "text"\n${text}`,
    ).options,
  );
  return ({
    path = '/',
    query = '',
    host = 'h',
    address = '192.0.2.1',
    headers = {},
    secure = false,
  }: Visit): string => {
    const req = {
      url: query ? `${path}?${query}` : path,
      headers: { host, ...headers },
      socket: secure ? new TLSSocket(new Socket()) : { remoteAddress: address },
    } as unknown as IncomingMessage;
    return match(settings, req, path)!.settings.frameType;
  };
}

const binary = 'wstunnel.frame-type = "binary"';
const text = 'wstunnel.frame-type = "text"';

describe('conditions of a lighttpd.conf', () => {
  test.each<[string, Visit, Visit]>([
    ['$HTTP["url"] == "/a.b"', { path: '/a.b' }, { path: '/a.b/' }],
    ['$HTTP["url"] == "/a.b"', { path: '/a.b' }, { path: '/aXb' }],
    ['$HTTP["url"] != "/a"', { path: '/b' }, { path: '/a' }],
    // The path is decoded before the comparison, as in lighttpd.
    ['$HTTP["url"] == "/a b"', { path: '/a%20b' }, { path: '/a%2520b' }],
    ['$HTTP["url"] == "/a%20b"', { path: '/a%2520b' }, { path: '/a%20b' }],
    ['$HTTP["url"] =~ "^/ü$"', { path: '/%C3%BC' }, { path: '/u' }],
    ['$HTTP["querystring"] == "x=%c3%bc"', { path: '/', query: 'x=%C3%bc' }, { path: '/', query: 'x=%C3' }],
    ['$HTTP["querystring"] == "x=ü"', { path: '/', query: 'x=%c3%bc' }, { path: '/', query: 'x=%C3' }],
    ['$HTTP["querystring"] == "x=A"', { path: '/', query: 'x=%41' }, { path: '/', query: 'x=%2541' }],
    ['$HTTP["querystring"] != "x=A"', { query: 'x=B' }, { query: 'x=%41' }],
    ['$HTTP["querystring"] !~ "x"', { query: 'y' }, { query: 'x' }],
    ['$HTTP["url"] =~ "^/a(b|c)$"', { path: '/ac' }, { path: '/ad' }],
    ['$HTTP["url"] !~ "^/a"', { path: '/b' }, { path: '/ab' }],
    ['$HTTP["url"] =^ "/a.b"', { path: '/a.bc' }, { path: '/aXbc' }],
    ['$HTTP["url"] =$ ".vnc"', { path: '/a.vnc' }, { path: '/aXvnc' }],
    ['$HTTP["host"] == "A.example"', { host: 'a.example:8080' }, { host: 'b.example' }],
    ['$HTTP["host"] == "a.example:80"', { host: 'a.example:80' }, { host: 'a.example:81' }],
    ['$HTTP["host"] != "a.example"', { host: 'b.example' }, { host: 'a.example:81' }],
    ['$HTTP["host"] =~ "(^|\\.)a\\.example$"', { host: 'x.a.example' }, { host: 'xa.example' }],
    ['$HTTP["host"] =^ "a."', { host: 'A.example' }, { host: 'b.a.example' }],
    ['$HTTP["remoteip"] == "10.0.0.0/8"', { address: '10.9.9.9' }, { address: '11.0.0.1' }],
    ['$HTTP["remoteip"] != "10.0.0.0/8"', { address: '11.0.0.1' }, { address: '10.9.9.9' }],
    ['$HTTP["remote-ip"] == "[2001:db8::]/32"', { address: '2001:db8::5' }, { address: '2001:db9::5' }],
    ['$HTTP["remoteip"] =~ "^10\\."', { address: '10.1.1.1' }, { address: '110.1.1.1' }],
    ['$HTTP["querystring"] =~ "(^|&)token=[0-9a-f]+(&|$)"', { query: 'a=1&token=5e' }, { query: 'token=x' }],
    ['$HTTP["query-string"] == ""', {}, { query: 'a' }],
    ['$HTTP["scheme"] == "https"', { secure: true }, { secure: false }],
    ['$HTTP["scheme"] != "https"', { secure: false }, { secure: true }],
    ['$HTTP["scheme"] =~ "s$"', { secure: true }, { secure: false }],
    ['$HTTP["scheme"] =$ "s"', { secure: true }, { secure: false }],
    ['$HTTP["referer"] =^ "https://a"', { headers: { referer: 'https://a/b' } }, {}],
    ['$HTTP["useragent"] =~ "(?i)firefox"', { headers: { 'user-agent': 'FireFox/1' } }, {}],
    ['$HTTP["language"] =~ "de"', { headers: { 'accept-language': 'de' } }, {}],
    ['$HTTP["cookie"] =~ "a=1"', { headers: { cookie: 'a=1' } }, { headers: { cookie: 'a=2' } }],
    ['$REQUEST_HEADER["X-User"] == "a"', { headers: { 'x-user': 'a' } }, { headers: { 'x-user': 'b' } }],
    ['$REQUEST_HEADER["X-User"] != ""', { headers: { 'x-user': 'a' } }, {}],
  ])('%s', (condition, fits, other) => {
    const of = balanceOf(`${condition} { ${binary} } else { ${text} }`);
    expect(of(fits)).toBe('binary');
    expect(of(other)).toBe('text');
  });

  test('a scheme condition may match always or never', () => {
    expect(balanceOf(`$HTTP["scheme"] =^ "http" { ${binary} }`)({})).toBe('binary');
    expect(balanceOf(`$HTTP["scheme"] == "ftp" { ${binary} }`)({})).toBe('text');
    expect(balanceOf(`$HTTP["scheme"] == "ftp" { } else { ${binary} }`)({})).toBe('binary');
  });

  test('a path condition distinguishes mount points early, as `url` does', () => {
    const { rules } = fromLighttpdConf(
      `$HTTP["url"] =^ "/a" { ${binary} } else $HTTP["url"] != "/b" { ${text} }`,
    ).options;
    expect(rules).toEqual([
      {
        url: /^\/a/,
        frameType: 'binary',
        else: { when: { url: { notMatches: /^\/b$/ } }, frameType: 'text' },
      },
    ]);
  });
});

describe('the order of conditions', () => {
  const url = (path: string, ...body: string[]) => `$HTTP["url"] =^ "${path}" { ${body.join('\n')} }`;

  test('the last matching one wins', () => {
    const of = balanceOf(`${url('/a', binary)}\n${url('/ab', text)}`);
    expect([of({ path: '/a' }), of({ path: '/ab' })]).toEqual(['binary', 'text']);
  });

  test('nested ones require the outer ones', () => {
    const of = balanceOf(url('/a', '$HTTP["host"] == "x" {', binary, '}'));
    expect(of({ path: '/a', host: 'x' })).toBe('binary');
    expect(of({ path: '/b', host: 'x' })).toBe('text');
    expect(of({ path: '/a', host: 'y' })).toBe('text');
  });

  test('else and else-if work in every spelling', () => {
    for (const word of ['else', 'else if', 'elif', 'elsif', 'elseif']) {
      const of = balanceOf(`if ${url('/a', text)} ${word} ${url('/b', binary)} else { ${text} }`);
      expect([of({ path: '/a' }), of({ path: '/b' }), of({ path: '/c' })]).toEqual([
        'text',
        'binary',
        'text',
      ]);
    }
  });

  test('an else belongs to its block, also within another block', () => {
    const of = balanceOf(url('/a', `$HTTP["host"] == "x" { ${text} } else { ${binary} }`));
    expect([of({ path: '/a', host: 'x' }), of({ path: '/a' }), of({ path: '/b' })]).toEqual([
      'text',
      'binary',
      'text',
    ]);
  });

  test('a repeated condition is merged into the first block', () => {
    const again = `${url('/', 'wstunnel.balance = "hash"')}\n${url('/a', text)}\n${url('/', binary)}`;
    expect(balanceOf(again)({ path: '/a' })).toBe('text');
    expect(balanceOf(again)({ path: '/b' })).toBe('binary');
    expect(() => balanceOf(`${url('/', text)}\n${url('/', binary)}`)).toThrow(
      /already set in lighttpd.conf:3/,
    );
    expect(
      balanceOf(`$HTTP["url"] == "/" { } else { }\n$HTTP["url"] != "/" { ${binary} }`)({ path: '/b' }),
    ).toBe('binary');
  });

  test('an order that rules cannot express is an error', () => {
    const inside = '$HTTP["host"] == "x" { }';
    expect(() => balanceOf(`${url('/a')}\n${url('/b')}\n${url('/a', inside)}`)).toThrow(
      /join the two blocks/,
    );
    expect(() => balanceOf(`${url('/a')}\n${url('/b')}\n${url('/a')} else { }`)).toThrow(
      /join the two blocks/,
    );
    expect(() => balanceOf(`${url('/a')} else { }\n${url('/a')} else ${url('/b')}`)).toThrow(/join the two/);
    expect(() => balanceOf(`${url('/a')}\n${url('/a', inside)}`)).not.toThrow();
  });
});

describe('comparisons that are not supported', () => {
  test.each<[string, RegExp]>([
    ['$HTTP["remoteip"] == "10.0.0"', /IP address or a CIDR/],
    ['$HTTP["remoteip"] == "10.0.0.0/33"', /IP address or a CIDR/],
    ['$HTTP["remoteip"] == "/run/x"', /unix socket/],
    ['$HTTP["request-method"] == "GET"', /always a GET/],
    ['$HTTP["host"] == "a b"', /host name/],
    ['$REQUEST_HEADER["a b"] == "x"', /is not a valid header name/],
    ['$PHYSICAL["path"] == "x"', /is not a known condition/],
  ])('%s', (condition, message) => {
    for (const body of ['', binary])
      expect(() => fromLighttpdConf(`${condition} { ${body} }`)).toThrow(message);
  });
});

describe('regular expressions', () => {
  const regExp = (pattern: string) => {
    const { rules } = fromLighttpdConf(`$HTTP["url"] =~ "${pattern}" { ${binary} }`).options;
    return rules![0]!.url as RegExp;
  };

  test.each<[string, RegExp]>([
    ['^/a', /^\/a/],
    ['(?i)^/a', /^\/a/i],
    ['(?im)^/a', /^\/a/im],
    ['\\A/a\\z', /^\/a$/],
    ['[]a]', /[\]a]/],
    ['^/[^ ]+$', /^\/[^ ]+$/],
    ['[^]a]', /[^\]a]/],
    ['[[:alpha:]_]+$', /[A-Za-z_]+$/],
    ['(?P<name>a)(?<other>b)', /(a)(b)/],
    ['(?:a)(?=b)(?!c)(?<!d)e', /(?:a)(?=b)(?!c)(?<!d)e/],
    ['a{2,3}?b', /a{2,3}?b/],
    ['\\x41\\.\\d', /\x41\.\d/],
  ])('%s', (pattern, expected) => {
    expect(regExp(pattern)).toEqual(expected);
  });

  test.each([
    ...[
      '(',
      '[',
      'a**',
      '*',
      'a\\',
      '(?x)a b',
      '(?i:a)',
      'a(?i)b',
      'a++',
      'a*+',
      'a?+',
      'a{2}+',
      '(?>a)',
      '(?|a|b)',
    ],
    ...[
      '(?R)',
      '(?1)',
      '(*UTF8)a',
      '(?P=a)',
      '(a)\\1',
      '\\Qa\\E',
      '\\R',
      '\\h',
      '\\v',
      '\\K',
      '\\G',
      '\\p{L}',
      '\\e',
    ],
    ...['\\x{41}', '[[:foo:]]', '[[.a.]]', 'a{,3}', '(?#c)', '(?m)\\Aa', '[z-a]', '[\\B]', 'x'.repeat(1001)],
  ])('%s is an error', (pattern) => {
    expect(() => regExp(pattern)).toThrow(TunnelError);
    expect(() => regExp(pattern)).toThrow(/^lighttpd\.conf:1:\d+: /);
  });

  // In a string, a backslash before the closing quote belongs to the quote.
  test('a variable that ends with a backslash is an error', () => {
    const conf = `$HTTP["url"] =~ env.X { ${binary} }`;
    expect(() => fromLighttpdConf(conf, { environment: { X: 'a\\' } })).toThrow(/ends with a backslash/);
    expect(() => fromLighttpdConf(conf, { environment: { X: 'a\\\\' } })).not.toThrow();
  });

  test.each([
    ...[
      '(a+)+$',
      '^(a|a)*$',
      '^(a|aa)+$',
      '(x+x+)+y',
      '^(a?){30}a{30}$',
      '(.*)*x',
      '^(([a-z])+.)+[A-Z]([a-z])+$',
    ],
    ...['^/a.*b.*c.*d.*e$', '^(\\w+\\s?)*$', '(?:a|b|ab)*c', '(?i)(a|A)*b', '((a{0,9}){0,9}){0,9}$'],
  ])('%s backtracks for too long', (pattern) => {
    expect(() => regExp(pattern)).toThrow(/backtrack/);
    expect(() => fromLighttpdConf(`$HTTP["host"] !~ "${pattern}" { }`)).toThrow(/backtrack/);
  });

  test.each([
    ...[
      '^/websockify',
      '\\.php$',
      '^/(foo|bar)($|/)',
      '.*foo.*',
      '^/.*foo.*$',
      '^/[^/]+/ws',
      '(^|\\.)a\\.example$',
    ],
    ...[
      '^(www\\.)?a\\.example(:[0-9]+)?$',
      '^/(.*)/ws/(.*)$',
      '^([a-z0-9-]+\\.)+a\\.example$',
      '^/vm[0-9]{1,4}/?$',
    ],
    ...['^127\\.0\\.0\\.1$|^::1$', '^/(?!admin)', '/[0-9]+$', '^/(vnc|ssh)-[a-z0-9]+(\\.[a-z0-9]+)*/ws$'],
  ])('%s is accepted', (pattern) => {
    const { source } = regExp(pattern);
    expect(source).toBe(new RegExp(pattern).source);
    const long = `/${'a/b.c'.repeat(3000)}`;
    // Processor time in microseconds, so that other programs on the machine do not count.
    const from = process.cpuUsage();
    new RegExp(source).test(long);
    expect(process.cpuUsage(from).user).toBeLessThan(1_000_000);
  });
});
