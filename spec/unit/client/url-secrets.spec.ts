import { beforeEach, describe, expect, test } from 'vitest';
import { TunnelError } from '../../../src/errors.js';
import { readProxy } from '../../../src/client/proxy/read-proxy.js';
import { readConnect } from '../../../src/client/options.js';
import { readTunnelUrl } from '../../../src/client/url/tunnel-url.js';
import { setProxyEnvironment } from '../../support/websocket-server.js';

beforeEach(() => setProxyEnvironment({}));

const target = readTunnelUrl('ws://desk.example/');

const WRONG = [
  'http://ann:x/secret@desk.example:3128',
  'http://ann:x#secret@desk.example',
  'http://ann:x?secret@desk.example',
  'http://ann:secret#x@desk.example',
  'http://desk.example:x/?token=x@secret',
  'socks5://ann:secret@desk.example',
];
/** Invalid as targets only: a proxy's URL may lack a scheme, and gets `http:`. */
const WRONG_TARGETS = [
  'ann:secret@desk.example/x',
  'ann:secret@desk.example:3128',
  'desk.example:80/?token=secret',
];

describe('an invalid URL is shown without its secrets', () => {
  test.each([...WRONG, ...WRONG_TARGETS])('as a target: %s', (url) => {
    expect(() => readTunnelUrl(url)).toThrow(/must b/);
    expect(() => readTunnelUrl(url)).not.toThrow(/secret/);
  });

  test.each(WRONG)('as a proxy: %s', (proxy) => {
    expect(() => readProxy({ proxy }, target)).toThrow(/must b/);
    expect(() => readProxy({ proxy }, target)).not.toThrow(/secret/);
  });
});

test('a login that is not an object is not shown', () => {
  const options = { basic: 'ann:secret' as never };
  expect(() => readConnect('ws://desk.example/', options)).toThrow(/basic must be an object; got 'string'/);
});

/** Passwords with an unencoded character: the parser reads another host, or another password. */
const MISREAD = [
  'ann:12#45@desk',
  'ann:12#45@desk:3128',
  'ann:12/45@desk',
  'ann:/45@desk',
  'ann:12?45@desk',
  'ann:12\\45@desk',
  'CORP\\ann:1245@desk',
  'CORP/ann:1245@desk',
  'ann:p@12/45@desk',
  'ann:p@12#45@desk',
  'ann:p@12\\45@desk',
  'ann:12\n45@desk',
  'ann:12\t45@desk',
];

function messageOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    return (error as Error).message;
  }
  return 'nothing';
}

function expectHidden(message: string): void {
  expect(message).toMatch(/percent-encoded.*; got '\*\*\*'$/s);
  expect(message.replace(/: "#".*;/s, '')).not.toMatch(/ann|corp|desk|1\d|45/i);
}

describe('issue 13, case 3: a password that is not encoded in a URL is an error that does not show it', () => {
  test.each(MISREAD)('of a proxy: %s', (rest) => {
    const proxies = [`http://${rest}`, `https://${rest}/`, rest, ` http:\\\\${rest}`];
    for (const proxy of proxies) expectHidden(messageOf(() => readProxy({ proxy }, target)));
    for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) {
      setProxyEnvironment({ [name]: `http://${rest}` });
      const message = messageOf(() => readProxy({}, target));
      expect(message).toContain(`the environment's proxy (${name}) must be`);
      expectHidden(message);
    }
  });

  test.each(MISREAD)('of a target: %s', (rest) => {
    for (const url of [`ws://${rest}/vnc`, `wss://${rest}`, ` http:${rest}/`, `ws:///${rest}/?token=a@b`])
      expectHidden(messageOf(() => readTunnelUrl(url)));
  });

  test('of a URL object', () => {
    const proxy = new URL('http://CORP\\ann:1245@desk');
    expectHidden(messageOf(() => readProxy({ proxy }, target)));
    expectHidden(messageOf(() => readTunnelUrl(new URL('ws://ann:12#45@desk'))));
  });

  test('if the parser finds no host, the message says what may be wrong', () => {
    for (const url of ['ws://ann.b:se/cret@desk', 'ws://ann.b:%/cret@desk/']) {
      const message = messageOf(() => readTunnelUrl(url));
      expect(message).toMatch(/got '\*\*\*'; a user and password in it must be percent-encoded$/);
    }
  });

  test('without a scheme, no suggestion shows the password', () => {
    for (const url of ['ann:12/45@desk', 'ann:12@desk', 'ann:12/@desk'])
      expect(messageOf(() => readTunnelUrl(url))).toBe(
        "wstunnel: the URL must begin with ws: or wss:; got '***'",
      );
  });

  test('an encoded password arrives unchanged, whatever it contains', () => {
    const password = '#/?\\@:%\t\n[]| ä';
    const login = `ann:${encodeURIComponent(password)}`;
    const { headers } = readConnect(`ws://${login}@desk/vnc?a=b@c`, { proxy: false });
    const basic = `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`;
    expect(headers.authorization).toBe(basic);
    expect(readProxy({ proxy: `http://${login}@desk:3128/` }, target)).toMatchObject({ shown: 'desk:3128' });
  });

  test.each([
    'ws://desk.example:8080/ann%40vm1',
    'ws://desk.example:8080/desks/ann@vm1',
    'ws://desk.example:8080/?user=ann@vm1',
    'ws://ann:pw@desk.example/ann@vm1/x',
    'ws://desk.example/a:b@c',
    'ws://localhost:6080/websockify?user=ann@example.com',
    'ws://localhost:6080/ann@vm1',
    'ws://127.0.0.1:6080/ann@vm1',
    'ws://[::1]:6080/ann@vm1',
    'ws://novnc:6080/websockify?token=ann@vm1',
    'ws://novnc:6080/desks/ann@vm1',
    'ws://novnc/ann@vm1',
    'ws://novnc/?user=ann@vm1',
    'ws://ann:pw@desk.example/ann@vm1',
  ])('an "@" of path or query does not start a host: %s', (url) => {
    expect(readTunnelUrl(url).authority).toBe(new URL(url).host);
  });
});

describe('issue 13, case 3: a user name with dots is mistaken for a host', () => {
  test.each([
    'ws://ann.lee:12/SEKRET9@desk.example/vnc',
    'wss://ann.b.lee:12/SEKRET9@desk',
    'ws://ann.lee:/SEKRET9@desk.example',
    'ws://ann.lee:12?SEKRET9@desk.example/vnc',
    'ws://ann.lee:p@desk.lee:12/SEKRET9@desk.example/vnc',
  ])('%s', (url) => {
    const message = messageOf(() => readTunnelUrl(url));
    expect(message).toMatch(/where its path has an "@":.* "@" %40,.*; got '\*\*\*'$/);
    expect(message).not.toMatch(/SEKRET|ann|lee|desk/);
  });

  test('a long text without an "@" is searched quickly', { timeout: 10_000 }, () => {
    for (const character of ['\n', '#', ':', '@', '\t\r'])
      for (const url of [
        `ws://desk/x${character.repeat(200_000)}x`,
        `ws://desk${character.repeat(200_000)}x`,
      ])
        messageOf(() => readTunnelUrl(url));
  });
});

describe('issue 13, case 1: a proxy may be given without a scheme', () => {
  test.each([
    ['proxy.example:3128', 'proxy.example:3128'],
    ['proxy.example', 'proxy.example'],
    ['localhost:3128', 'localhost:3128'],
    ['http:3128', 'http:3128'],
    ['127.0.0.1:3128/', '127.0.0.1:3128'],
    ['[::1]:3128', '[::1]:3128'],
    ['ann:secret@proxy.example:3128', 'proxy.example:3128'],
    [' proxy.example:3128\n', 'proxy.example:3128'],
  ])('%j', (proxy, shown) => {
    const wss = readTunnelUrl('wss://desk.example/');
    for (const to of [target, wss]) expect(readProxy({ proxy }, to)).toMatchObject({ shown });
    setProxyEnvironment({ HTTPS_PROXY: proxy });
    expect(readProxy({}, wss)).toMatchObject({ shown });
  });
});
