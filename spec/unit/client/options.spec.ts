import { createSecureContext } from 'node:tls';
import { beforeEach, describe, expect, test } from 'vitest';
import { TunnelError, type ConnectOptions, type ListenOptions } from '../../../src/client/index.js';
import { readConnect, readListen } from '../../../src/client/options.js';
import { certificate, makeCertificate } from '../../support/certificate.js';
import { setProxyEnvironment } from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

const URL_ = 'ws://desk.example/vnc';

function refusal(options: unknown, url: unknown = URL_): string {
  try {
    readListen(url as string, options as ListenOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    expect((error as TunnelError).code).toBe('WSTUNNEL_OPTION');
    return (error as Error).message;
  }
  return 'nothing';
}

describe("the client's URL", () => {
  test.each([
    [
      'ws://desk.example',
      { secure: false, host: 'desk.example', port: 80, authority: 'desk.example', path: '/' },
    ],
    ['wss://desk.example/a?b=c', { secure: true, port: 443, path: '/a?b=c' }],
    ['https://desk.example:8443/', { secure: true, port: 8443, authority: 'desk.example:8443' }],
    ['http://[::1]:8080/', { secure: false, host: '::1', port: 8080, authority: '[::1]:8080' }],
    ['ws://DESK.example:80/', { authority: 'desk.example' }],
  ])('%s', (url, target) => {
    expect(readConnect(url, {}).target).toMatchObject(target);
    expect(readConnect(new URL(url), {}).target).toMatchObject(target);
  });

  test('is stripped of user and password, which are never shown', () => {
    const { target, headers } = readConnect('wss://ann:p%40ss@desk.example/?token=secret', {});
    expect(target.shown).toBe('wss://***@desk.example/?token=***');
    expect(headers.authorization).toBe(`Basic ${btoa('ann:p@ss')}`);
  });

  test.each([
    [null, /the URL must be a ws: or wss: URL; got null/],
    ['desk', /got 'desk'/],
    ['ftp://ann:secret@desk/', /must begin with ws: or wss:; got 'ftp:\/\/\*\*\*@desk\/'/],
    ['ws://desk/#a', /no fragment/],
    ['ws://ann:%zz@desk/', /percent-encoded; got 'ws:\/\/\*\*\*@desk\/'/],
  ])('%s is refused', (url, message) => {
    expect(refusal({}, url)).toMatch(message);
  });
});

describe('invalid options of the client', () => {
  test.each<[string, unknown, RegExp]>([
    ['an unknown name', { header: {} }, /options has no "header"; did you mean "headers"\?/],
    ['no object', 5, /options must be an object/],
    [
      'a header of ours',
      { headers: { Upgrade: 'x' } },
      /the header "Upgrade" is set by the handshake itself/,
    ],
    ['an extension', { headers: { 'sec-websocket-extensions': 'x' } }, /set by the handshake itself/],
    ['no name', { headers: { 'a b': 'x' } }, /"a b" is not a valid header name/],
    ['a line break', { headers: { a: 'x\r\nsecret: y' } }, /the header a has a character/],
    ['a header that is no text', { headers: { a: 5 } }, /the header a must be a string/],
    ['a cookie', { cookies: { a: 'x;y' } }, /the cookie "a" has a character that must be percent-encoded/],
    ['a cookie line', { cookies: 'a=b\nsecret' }, /cookies has a character/],
    [
      'two cookies',
      { cookies: 'a=b', headers: { Cookie: 'c=d' } },
      /give either the option cookies or a Cookie header, not both/,
    ],
    ['a bearer', { bearer: 'a b' }, /bearer must consist of/],
    ['two logins', { bearer: 'a', basic: { username: 'a', password: 'b' } }, /an Authorization header/],
    ['a login', { basic: { user: 'a' } }, /basic has no "user"/],
    [
      'half a login',
      { basic: { username: 'a' } },
      /basic must have a username, without a colon, and a password/,
    ],
    ['an origin', { origin: '' }, /origin must be a string/],
    ['a subprotocol', { subprotocol: 'a,b' }, /subprotocol must be a token/],
    ['two subprotocols', { subprotocol: ['a', 'a'] }, /list of different ones/],
    ['tls', { tls: true }, /tls must be an object/],
    ['milliseconds', { connectTimeout: 30_000 }, /in seconds; did you mean 30\?/],
    [
      'a proxy',
      { proxy: 'socks5://a:secret@b' },
      /proxy must be an http: or https: URL, or false; got 'socks5:\/\/\*\*\*@b'/,
    ],
    ['no proxy', { proxy: true }, /proxy must be/],
    ['a mode', { proxyMode: 'forwards' }, /did you mean "forward"\?/],
    ['a signal', { signal: {} }, /signal must be an AbortSignal/],
    ['a time', { retryFor: -1 }, /retryFor must be/],
    ['a number', { maxTunnels: 1.5 }, /maxTunnels must be/],
  ])('%s', (_, options, message) => {
    const said = refusal(options);
    expect(said).toMatch(message);
    expect(said).not.toContain('secret');
  });

  test.each(['tls', 'proxyTls'])('issue 13, case 9: certificates and keys of %s', (name) => {
    const { cert, key } = certificate();
    const text = cert.toString();
    for (const [given, message] of [
      [{ ca: 'secret' }, `${name}.ca can't be used (there is no certificate in PEM form in it)`],
      [{ ca: '' }, `${name}.ca can't be used (there is no certificate in PEM form in it)`],
      [{ ca: [text, Buffer.from('secret')] }, `${name}.ca can't be used (there is no`],
      [{ ca: text.slice(0, 200) }, `${name}.ca can't be used (certificate 1 of 1 in it is damaged)`],
      [{ ca: 5 }, `${name} can't be used (The "options.ca" property must be`],
      [{ cert: 'secret' }, `${name} can't be used (`],
      [{ key: 'secret' }, `${name} can't be used (`],
      [{ cert: text, key: makeCertificate().key }, `${name} can't be used (error:`],
    ] as const) {
      const said = refusal({ [name]: given });
      expect(said).toContain(message);
      expect(said).not.toContain('secret');
    }
    const right = { ca: [cert, text, new Uint8Array(cert)], cert, key, servername: 'desk' };
    expect(refusal({ [name]: right })).toBe('nothing');
    expect(refusal({ [name]: { secureContext: createSecureContext() } })).toBe('nothing');
  });

  test("include the listener's options in connect()", () => {
    expect(() => readConnect(URL_, { retryFor: 1 } as ConnectOptions)).toThrow(/has no "retryFor"/);
  });
});

describe('objects that the caller passes', () => {
  test('are copied', () => {
    const headers = { 'X-List': ['a'] };
    const url = new URL(URL_);
    const settings = readConnect(url, { headers });
    headers['X-List'].push('b');
    url.hostname = 'other.example';
    expect(settings.headers['x-list']).toEqual(['a']);
    expect(settings.target.host).toBe('desk.example');
  });
});
