import type { IncomingMessage } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import { apiTokens, fileTokens, jwtTokens, redisTokens, tokenServer } from '../../../src/tokens/index.js';
import { openableServer, type TokenServerOptions } from '../../../src/tokens/token-server.js';
import { withTraits, type TokenSource } from '../../../src/tokens/token-types.js';
import { GRANTS } from '../../../src/request/grant.js';
import { files } from '../../support/command.js';

const { signal } = new AbortController();
const DESK = { target: { host: 'desk.lan', port: 5900 } };
const NO_TARGET = { code: 'WSTUNNEL_NO_TARGET', status: 404, message: 'there is no such tunnel' };

const requestOf = (token: string) =>
  ({ url: `/?token=${encodeURIComponent(token)}`, headers: {} }) as unknown as IncomingMessage;
const grantOf = async (sources: unknown[], options: TokenServerOptions = {}, token = 'abc') =>
  openableServer(sources, options)[GRANTS](requestOf(token), { signal });

describe('the sources', () => {
  test('are asked in turn until the first answer, with the token and the request', async () => {
    const first = vi.fn<TokenSource>(() => undefined);
    const second = vi.fn<TokenSource>(() =>
      Promise.resolve({ ...DESK, user: 'ann', viewOnly: true, maxDuration: 9 }),
    );
    const third = vi.fn<TokenSource>(() => DESK);
    const grant = await grantOf([first, second, third]);
    expect(grant).toEqual({ target: [DESK.target], user: 'ann', viewOnly: true, maxDuration: 9 });
    expect(first.mock.calls).toEqual([['abc', expect.objectContaining({ signal })]]);
    expect(third).not.toHaveBeenCalled();
  });

  test.each(['', 'a'.repeat(10_240), 'a\0b'])('are not asked for the token %j', async (token) => {
    const source = vi.fn<TokenSource>(() => DESK);
    await expect(grantOf([source], {}, token)).rejects.toMatchObject(NO_TARGET);
    expect(source).not.toHaveBeenCalled();
  });

  test('that fail refuse the request, and no further source is asked', async () => {
    const next = vi.fn<TokenSource>(() => DESK);
    for (const fails of [
      () => Promise.reject(new Error('down')),
      () => {
        throw new Error('down');
      },
    ])
      // prettier-ignore
      await expect(grantOf([fails, next])).rejects.toMatchObject({
        ...{ code: 'WSTUNNEL_HOOK_FAILED', status: 500, message: 'a token source failed: down', expose: false },
      });
    expect(next).not.toHaveBeenCalled();
  });

  test('whose error repeats the token do not bring it into the message', async () => {
    const fails = (token: string) =>
      Promise.reject(new Error(`GET /${encodeURIComponent(token)} for ${token}`));
    await expect(grantOf([fails], {}, 'a/b')).rejects.toMatchObject({
      message: 'a token source failed: GET /*** for ***',
    });
  });

  test.each<[unknown, RegExp]>([
    [{}, /needs a target/],
    [{ target: [] }, /needs a target/],
    [{ target: 'desk:5900' }, /needs a target/],
    [{ host: 'desk', port: 1 }, /has no "host"/],
    [{ ...DESK, viewonly: true }, /did you mean "viewOnly"/],
    ['desk:5900', /must be an object/],
  ])('with the answer %j fail', async (answer, message) => {
    const source = () => answer as never;
    await expect(grantOf([source])).rejects.toMatchObject({ code: 'WSTUNNEL_OPTION', message });
  });
});

describe('the refusal of a token', () => {
  test('is the same whatever the reason, which only the detail has', async () => {
    const notes: TokenSource = (_token, { note }) => {
      note('it has expired');
      return undefined;
    };
    const outside = { targets: ['*.vnc:5900'] };
    const details = [];
    for (const [sources, options] of [
      [[() => undefined], {}],
      [[notes, notes], {}],
      [[() => DESK], outside],
    ] as const) {
      const error: unknown = await grantOf([...sources], options as object).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject(NO_TARGET);
      details.push((error as { detail?: string }).detail);
    }
    expect(details).toEqual([
      ...[
        'no source knows the token',
        'it has expired; it has expired',
        'the token leads outside of targets',
      ],
    ]);
  });

  test('counts for a list of hosts of which one is outside of targets', async () => {
    const source = () => ({ target: [DESK.target, { host: 'evil', port: 5900 }] });
    await expect(grantOf([source], { targets: ['desk.lan:5900'] })).rejects.toMatchObject(NO_TARGET);
  });
});

describe("issue 18: a JWT's claims may name any host in websockify", () => {
  const client = { get: () => Promise.resolve('169.254.169.254:80'), getDel: () => Promise.resolve(null) };
  const redis = redisTokens(client, { prefix: 'p:' });
  const untrusted: [string, TokenSource][] = [
    ['redisTokens()', redis],
    ['apiTokens()', apiTokens({ url: 'http://127.0.0.1/%s' })],
    ['jwtTokens()', jwtTokens({ key: Buffer.alloc(32), algorithms: ['HS256'], audience: false })],
  ];

  test.each(untrusted)('%s needs targets, or "*"', (_name, source) => {
    expect(() => tokenServer(source)).toThrow(
      /targets is required with jwtTokens\(\), redisTokens\(\) and apiTokens\(\)/,
    );
    expect(() => tokenServer(() => undefined, source, {})).toThrow(/targets is required/);
    expect(() => tokenServer(source, { targets: '*' })).not.toThrow();
  });

  test('an entry outside of targets is refused', async () => {
    await expect(grantOf([redis], { targets: ['10.0.0.0/8:5900'] })).rejects.toMatchObject(NO_TARGET);
  });

  test('files of the operator need none', async () => {
    const { file } = await files({ file: 'abc: desk.lan:5900\n' });
    expect(await grantOf([fileTokens(file!)])).toEqual({ target: [DESK.target] });
  });
});

describe('a login check', () => {
  const recheck = (sources: TokenSource[], token = 'abc') =>
    openableServer(sources, { targets: '*' }).recheck(requestOf(token), signal);
  const unsure = withTraits(() => undefined, { recheck: () => Promise.resolve(undefined) });
  const fails: TokenSource = () => Promise.reject(new Error('down'));

  test('accepts what one source accepts, rejects what all reject, and is undefined while one cannot tell', async () => {
    expect(await recheck([() => undefined, () => DESK])).toBe(true);
    expect(await recheck([() => undefined, () => undefined])).toBe(false);
    expect(await recheck([() => undefined, unsure])).toBeUndefined();
    expect(await recheck([fails])).toBeUndefined();
    expect(await recheck([fails, () => DESK])).toBe(true);
    expect(await recheck([() => DESK], '')).toBe(false);
  });

  test('finds a token for one use valid, since the opening has used it up', async () => {
    const client = { get: () => Promise.resolve(null), getDel: () => Promise.resolve(null) };
    expect(await recheck([redisTokens(client, { prefix: 'p:', once: true })])).toBe(true);
    expect(await recheck([redisTokens(client, { prefix: 'p:' })])).toBe(false);
  });
});

test.each<[unknown[], object, RegExp]>([
  [[], {}, /needs at least one source/],
  [['/etc/tokens'], {}, /takes sources, and an object of options as the last argument/],
  [[() => undefined], { from: 'header' }, /from must be one of "query", "cookie", "path"/],
  [[() => undefined], { from: 'cookies' }, /did you mean "cookie"/],
  [[() => undefined], { name: 'a b' }, /name must be a word/],
  [[() => undefined], { targets: [] }, /targets must list targets/],
  [[() => undefined], { target: '*' }, /did you mean "targets"/],
])('%o with %o is refused', (sources, options, message) => {
  expect(() => tokenServer(...(sources as [TokenSource]), options as TokenServerOptions)).toThrow(message);
});
