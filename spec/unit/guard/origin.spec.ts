import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { Duplex } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import {
  checkOriginIsThere,
  checkOriginResult,
  comparisonOf,
  compileOrigin,
  expectedOrigin,
  isSameOrigin,
  nativeOrigin,
  parseOrigin,
} from '../../../src/guard/origin.js';
import { isSecure } from '../../../src/request/proxy-trust.js';
import type { RefuseInfo, TunnelError, TunnelOptions } from '../../../src/index.js';
import { readOptions } from '../../../src/options/read-tunnel.js';
import { requestTunnel } from '../../support/raw-client.js';
import { startTunnel } from '../../support/servers.js';
import { deferred } from '../../support/wait.js';

interface Asked {
  host?: string | undefined;
  /** The connection itself uses TLS. */
  secure?: boolean;
  trusted?: boolean;
  headers?: Record<string, string>;
}

function request({
  host = 'desk.example',
  secure = false,
  trusted = false,
  headers = {},
}: Asked): IncomingMessage {
  const socket = secure ? new TLSSocket(new Duplex()) : { remoteAddress: '127.0.0.1' };
  const app = { get: (name: string) => (name === 'trust proxy fn' ? () => trusted : undefined) };
  return { headers: { host, ...headers }, socket, app } as unknown as IncomingMessage;
}

describe("origins: 'same'", () => {
  const same = (origin: string | undefined, asked: Asked = {}) => isSameOrigin(origin, request(asked));

  test('accepts a request without Origin, which comes from a program and not from a page', () => {
    expect(same(undefined)).toBe(true);
  });

  test.each<[string, string, boolean]>([
    ['http://desk.example', 'desk.example', true],
    ['http://desk.example', 'desk.example:80', true],
    ['http://desk.example:80', 'desk.example', true],
    ['http://DESK.example', 'Desk.EXAMPLE', true],
    ['HTTP://desk.example', 'desk.example', true],
    ['http://desk.example:8080', 'desk.example:8080', true],
    ['http://desk.example:8080', 'desk.example', false],
    ['http://desk.example', 'desk.example:8080', false],
    ['http://desk.example:8080', 'desk.example:8081', false],
    ['http://[::1]:8080', '[::1]:8080', true],
    ['http://[0:0::1]:8080', '[::1]:8080', true],
    ['http://[::1]', '[::2]', false],
    ['http://evil.example', 'desk.example', false],
    ['http://desk.example.evil.example', 'desk.example', false],
    ['http://evil-desk.example', 'desk.example', false],
    ['http://sub.desk.example', 'desk.example', false],
    ['http://desk.example.', 'desk.example', false],
    ['http://desk.example', '', false],
  ])('%s at Host %s: %s', (origin, host, passes) => {
    expect(same(origin, { host })).toBe(passes);
  });

  test('accepts an https page behind a proxy that ends TLS, on its default port', () => {
    expect(same('https://desk.example', { host: 'desk.example' })).toBe(true);
    expect(same('https://desk.example', { host: 'desk.example:443' })).toBe(true);
    expect(same('https://desk.example', { host: 'desk.example:80' })).toBe(false);
    expect(same('https://desk.example:8443', { host: 'desk.example:8443' })).toBe(true);
  });

  test('refuses an http page if the connection is known to be https', () => {
    expect(same('http://desk.example', { secure: true })).toBe(false);
    expect(same('https://desk.example', { secure: true })).toBe(true);
    const headers = { 'x-forwarded-proto': 'https' };
    expect(same('http://desk.example', { trusted: true, headers })).toBe(false);
    expect(same('https://desk.example', { trusted: true, headers })).toBe(true);
    expect(
      same('http://desk.example', { trusted: true, headers: { 'x-forwarded-proto': 'HTTPS, http' } }),
    ).toBe(false);
    expect(same('http://desk.example', { trusted: true, headers: { 'x-forwarded-proto': 'http' } })).toBe(
      true,
    );
    expect(same('http://desk.example', { headers })).toBe(true);
  });

  test('uses X-Forwarded-Host from a trusted peer only', () => {
    const asked = { host: 'inner:3000', headers: { 'x-forwarded-host': 'desk.example, inner:3000' } };
    expect(same('https://desk.example', { ...asked, trusted: true })).toBe(true);
    expect(same('https://desk.example', asked)).toBe(false);
    expect(same('http://inner:3000', { ...asked, trusted: true })).toBe(false);
    expect(same('http://inner:3000', asked)).toBe(true);
    const empty = { host: 'desk.example', headers: { 'x-forwarded-host': '' }, trusted: true };
    expect(same('http://desk.example', empty)).toBe(true);
  });

  test.each([
    ...[
      'null',
      '',
      'garbage',
      'desk.example',
      '//desk.example',
      'http:',
      'http://',
      'file://desk.example',
      'ws://desk.example',
    ],
    ...['http://desk.example/', 'http://desk.example/path', 'http://desk.example?x', 'http://desk.example#x'],
    ...['http://user@desk.example', 'http://desk.example@evil.example', 'http://evil.example\\@desk.example'],
    ...[
      'http://desk.example\\',
      'http:\\\\desk.example',
      'http:/desk.example',
      'http://desk.example:x',
      ' http://desk.example',
    ],
    ...[
      'http://desk.example, http://desk.example',
      'http://desk.example:99999',
      'http://desk .example',
      'http://%zz',
    ],
  ])('refuses "%s", which is not an origin', (origin) => {
    expect(parseOrigin(origin)).toBeUndefined();
    expect(same(origin)).toBe(false);
  });
});

describe('origins as a list', () => {
  test.each<[string, string[], string[]]>([
    [
      'https://a.b',
      ['https://a.b', 'https://A.B:443'],
      ['http://a.b', 'https://a.b:8443', 'https://x.a.b', 'https://a.b.c', 'null'],
    ],
    ['HTTPS://A.b:443', ['https://a.b'], ['https://a.b:444']],
    [
      'a.b',
      ['https://a.b', 'http://a.b'],
      ['http://a.b:8080', 'https://x.a.b', 'https://evil-a.b', 'https://a.bb'],
    ],
    ['a.b:8443', ['https://a.b:8443', 'http://a.b:8443'], ['https://a.b', 'http://a.b']],
    ['a.b:443', ['https://a.b'], ['http://a.b']],
    [
      '*.a.b',
      ['https://x.a.b', 'http://y.x.a.b'],
      ['https://a.b', 'https://evil-a.b', 'https://x.a.b.c', 'https://x.a.b:8443'],
    ],
    ['.a.b', ['https://x.a.b'], ['https://a.b', 'https://evil-a.b']],
    [
      'https://*.a.b:8443',
      ['https://x.a.b:8443'],
      ['https://a.b:8443', 'http://x.a.b:8443', 'https://x.a.b'],
    ],
    ['http://[::1]:80', ['http://[::1]'], ['http://[::1]:81', 'https://[::1]']],
    ['bücher.example', ['https://xn--bcher-kva.example'], ['https://bucher.example']],
  ])('%s', (entry, passing, refused) => {
    const matches = (origin: string) => compileOrigin(entry)!(parseOrigin(origin) ?? ({} as never));
    for (const origin of passing) expect(matches(origin), origin).toBe(true);
    for (const origin of refused.filter(parseOrigin)) expect(matches(origin), origin).toBe(false);
  });

  test.each([
    '',
    '*',
    '*.',
    'https://',
    'https://a.b/',
    'a.b/x',
    'ftp://a.b',
    'a.*.b',
    '*a.b',
    'u@a.b',
    'a b',
    'a.b?x',
    '**.a.b',
  ])('"%s" is refused as an entry', (entry) => {
    expect(compileOrigin(entry)).toBeUndefined();
  });
});

describe('issue 12, case 30: an origin that is not a web page\u2019s', () => {
  test.each([
    ['null', 'null'],
    ['file://', 'file://'],
    ['tauri://localhost', 'tauri://localhost'],
    ['TAURI://LocalHost', 'tauri://LocalHost'],
    ['app://x:1', 'app://x:1'],
    ['chrome-extension://abc', 'chrome-extension://abc'],
  ])('%s is compared as %s', (entry, origin) => {
    expect(nativeOrigin(entry)).toBe(origin);
  });

  test.each([
    ...[
      'NULL',
      'null.example',
      'https://a.b',
      'http://null',
      'ws://a',
      'wss://a',
      'ftp://a.b',
      'data://x',
      'about://x',
    ],
    ...[
      'tauri://a/',
      'tauri://a/b',
      'tauri://a b',
      'tauri://*',
      'tauri://u@a',
      'tauri:a',
      '://a',
      '1x://a',
      '',
    ],
  ])('"%s" is refused', (entry) => {
    expect(nativeOrigin(entry)).toBeUndefined();
  });
});

describe('issue 12, case 23: headers of proxies', () => {
  const same = (origin: string, headers: Record<string, string>, trusted = true) =>
    isSameOrigin(origin, request({ headers, trusted }));

  test.each([
    ['wss', 'http://desk.example', false],
    ['WSS', 'http://desk.example', false],
    ['wss, http', 'http://desk.example', false],
    ['wss', 'https://desk.example', true],
    ['ws', 'http://desk.example', true],
    ['ws', 'https://desk.example', true],
    ['wssx', 'http://desk.example', true],
  ])('X-Forwarded-Proto: %s and a page of %s: %s', (proto, origin, passes) => {
    expect(same(origin, { 'x-forwarded-proto': proto })).toBe(passes);
    expect(isSecure(request({ trusted: true, headers: { 'x-forwarded-proto': proto } }))).toBe(
      /^wss\b/i.test(proto),
    );
    // Without a trusted proxy the header is ignored.
    expect(isSecure(request({ headers: { 'x-forwarded-proto': proto } }))).toBe(false);
  });

  test.each<[string, string, string, boolean]>([
    ['a.example', '8443', 'https://a.example:8443', true],
    ['a.example', '8443', 'https://a.example', false],
    ['a.example', '8443, 443', 'https://a.example:8443', true],
    ['a.example:9443', '8443', 'https://a.example:9443', true],
    ['a.example:9443', '8443', 'https://a.example:8443', false],
    ['[2001:db8::1]', '8443', 'https://[2001:db8::1]:8443', true],
    ['[2001:db8::1]:9443', '8443', 'https://[2001:db8::1]:9443', true],
    ['a.example', '443', 'https://a.example', true],
    ['a.example', '80', 'https://a.example', true],
    ['a.example', '80', 'http://a.example', true],
    ['a.example', '443', 'https://a.example:443', true],
    ['a.example', '443', 'https://a.example:8443', false],
    ['a.example', 'x', 'https://a.example', true],
    ['a.example', '844333', 'https://a.example', true],
    ['a.example', '', 'https://a.example', true],
    ['a.example', '99999', 'https://a.example', false],
  ])('X-Forwarded-Host: %s, X-Forwarded-Port: %s and a page of %s: %s', (host, port, origin, passes) => {
    const headers = { 'x-forwarded-host': host, 'x-forwarded-port': port };
    expect(same(origin, headers)).toBe(passes);
    expect(same(origin, headers, false)).toBe(false);
  });

  test('next to a plain Host, X-Forwarded-Port is ignored', () => {
    expect(same('http://desk.example:8443', { 'x-forwarded-port': '8443' })).toBe(false);
    expect(same('http://desk.example', { 'x-forwarded-port': '8443' })).toBe(true);
  });

  async function refusalOf(options: Partial<TunnelOptions>, headers: Record<string, string>) {
    const { app, port, tunnel } = await startTunnel(options);
    app.set('trust proxy', 'loopback');
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    const client = requestTunnel(port, '/tunnel', headers);
    expect((await client.answer()).status).toBe(403);
    // The answer to the client contains neither value.
    expect((await client.rest()).toString()).toBe('pages of this origin may not open this tunnel\n');
    return (await refused)[0].reason;
  }

  test("the refusal's event names the Origin and the value that it was compared with", async () => {
    const reason = await refusalOf({}, { Origin: 'http://evil.example:81', Host: 'desk.example:8080' });
    expect(reason).toBe(
      'pages of this origin may not open this tunnel: Origin http://evil.example:81, expected the host desk.example:8080',
    );
    const behind = {
      'X-Forwarded-Proto': 'wss',
      'X-Forwarded-Host': 'a.example',
      'X-Forwarded-Port': '8443',
    };
    expect(await refusalOf({}, { Origin: 'https://a.example', ...behind })).toMatch(
      /Origin https:\/\/a\.example, expected https:\/\/a\.example:8443$/,
    );
    const origins = ['https://one.example', /^https:\/\/two/];
    expect(await refusalOf({ origins }, { Origin: 'null' })).toMatch(
      /Origin null, expected one of https:\/\/one\.example, \/\^https:\\\/\\\/two\/$/,
    );
    expect(await refusalOf({ origins: () => false }, {})).toMatch(
      /Origin \(none\), expected the decision of the function origins$/,
    );
  });

  test('the Origin and that value are cut and escaped in the event, which contains no secret', async () => {
    const long = await refusalOf(
      {},
      { Origin: `http://${'a'.repeat(5000)}.example`, Host: `${'b'.repeat(5000)}.example` },
    );
    expect(long.length).toBeLessThan(600);
    const secret = await refusalOf({}, { Origin: 'http://me:hunter2@evil.example/?token=hunter2#hunter2' });
    expect(secret).not.toContain('hunter2');
    const controls = await refusalOf({}, { Origin: 'http://evil.example\u0085\u009b31m' });
    expect(controls).not.toMatch(/\p{Cc}/u);
  });

  test('an app that answers with the error as JSON does not send them', async () => {
    const heard = deferred<TunnelError>();
    const { port } = await startTunnel({
      onRefuse: (refusal, _req, res) => {
        heard.resolve(refusal);
        res.end();
      },
    });
    requestTunnel(port, '/tunnel', { Origin: 'http://evil.example' });
    const refusal = await heard.promise;
    expect(refusal.detail).toContain('http://evil.example');
    expect(JSON.stringify(refusal)).not.toContain('evil.example');
  });
});

describe('the option origins', () => {
  async function verdict(origins: TunnelOptions['origins'], origin: string | undefined): Promise<string> {
    const { base } = readOptions(origins === undefined ? {} : { origins });
    const req = request(origin === undefined ? {} : { headers: { origin } });
    try {
      checkOriginIsThere(req, base.origins.needed);
      checkOriginResult(await base.origins.check(req.headers.origin, req));
      return 'passes';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  }
  const REFUSED = 'WSTUNNEL_ORIGIN_REFUSED';

  test("is 'same' by default", async () => {
    expect(await verdict(undefined, 'http://desk.example')).toBe('passes');
    expect(await verdict(undefined, 'http://evil.example')).toBe(REFUSED);
    expect(await verdict('same', undefined)).toBe('passes');
  });

  test("'*' accepts any Origin, and a request without Origin", async () => {
    for (const origin of ['http://evil.example', 'null', 'garbage', undefined])
      expect(await verdict('*', origin)).toBe('passes');
  });

  test('as a list requires an Origin', async () => {
    const list = ['https://a.b', /^https:\/\/re\d\.example$/];
    expect(await verdict(list, 'https://a.b')).toBe('passes');
    expect(await verdict(list, 'https://re7.example')).toBe('passes');
    expect(await verdict(list, 'https://re7.example')).toBe('passes');
    expect(await verdict(list, 'https://re7.example.evil')).toBe(REFUSED);
    expect(await verdict(list, 'null')).toBe(REFUSED);
    expect(await verdict([/^null$/], 'null')).toBe('passes');
    expect(await verdict(['null'], 'null')).toBe('passes');
    expect(await verdict(['null'], 'http://null')).toBe(REFUSED);
    expect(await verdict(['tauri://localhost'], 'tauri://localhost')).toBe('passes');
    for (const origin of [
      'tauri://localhost/',
      'tauri://LOCALHOST',
      'tauri://localhost:80',
      'http://localhost',
      'null',
    ])
      expect(await verdict(['tauri://localhost'], origin), origin).toBe(REFUSED);
    expect(await verdict(list, undefined)).toBe('WSTUNNEL_ORIGIN_MISSING');
    expect(await verdict(list, '')).toBe('WSTUNNEL_ORIGIN_MISSING');
  });

  test('as a function accepts only with true', async () => {
    const asked: (string | undefined)[] = [];
    const remember = (origin: string | undefined) => asked.push(origin) > 0;
    expect(await verdict(remember, 'null')).toBe('passes');
    expect(await verdict(remember, undefined)).toBe('passes');
    expect(asked).toEqual(['null', undefined]);
    expect(await verdict(() => Promise.resolve(true), 'x')).toBe('passes');
    for (const result of [false, undefined, 1, 'true', Promise.resolve(false)])
      expect(await verdict(() => result as boolean, 'x')).toBe(REFUSED);
    expect(await verdict(() => Promise.reject(new Error('broken')), 'x')).toBe('Error: broken');
  });
});

test('issue 13, case 23: a proxy that drops the port is named as the cause', () => {
  const compared = (origin: string, host: string) =>
    comparisonOf(origin, expectedOrigin(request({ host, headers: { origin } })));
  expect(compared('http://desk.lan:8080', 'desk.lan')).toBe(
    'Origin http://desk.lan:8080, expected the host desk.lan: the proxy in front must forward the port as well (nginx: $http_host)',
  );
  for (const [origin, host] of [
    ['http://desk.lan', 'desk.lan:81'],
    ['http://desk.lan:80', 'other.lan'],
    ['http://desk.lan.evil:80', 'desk.lan'],
  ] as const)
    expect(compared(origin, host)).not.toContain('proxy');
});

test('a host that URL() rejects is not an origin, whatever URL.canParse() returns', () => {
  // Optimised code of Node 20 returns true (found by the long fuzz test).
  const canParse = vi.spyOn(URL, 'canParse').mockReturnValue(true);
  expect(parseOrigin('http://h\xcd\x81')).toBeUndefined();
  canParse.mockRestore();
});
