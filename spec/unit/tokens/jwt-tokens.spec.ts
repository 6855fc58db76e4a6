import { createSecretKey, generateKeyPairSync, randomBytes, webcrypto, type KeyObject } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { CompactEncrypt, SignJWT, UnsecuredJWT, exportJWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { jwtTokens, type JwtTokensOptions } from '../../../src/tokens/jwt-tokens.js';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, startHttp } from '../../support/servers.js';
import { ask, UNKNOWN } from './ask.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PEM = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const SECRET = randomBytes(32);
const DESK = { host: 'desk.lan', port: 5900, aud: 'vnc', iss: 'app', sub: 'ann' };
const RULES = { algorithms: ['RS256'], audience: 'vnc' };

const now = () => Math.floor(Date.now() / 1000);
const sign = (
  claims: Record<string, unknown>,
  key: KeyObject | Uint8Array = rsa.privateKey,
  alg = 'RS256',
  more = {},
) => new SignJWT({ exp: now() + 60, ...claims }).setProtectedHeader({ alg, ...more }).sign(key);
const refused = (note: string | RegExp) => ({ notes: [expect.stringMatching(note) as string] });
const byKey = (more: Partial<JwtTokensOptions> = {}) => jwtTokens({ key: PEM, ...RULES, ...more });

describe("websockify's JWTTokenApi", () => {
  test('takes the target from the claims, with the user and the rights', async () => {
    expect(await ask(byKey(), await sign(DESK))).toEqual({
      ...{ target: { host: 'desk.lan', port: 5900 }, user: 'ann' },
    });
    const rights = { user: 'bob', viewOnly: true, maxDuration: 60 };
    expect(await ask(byKey({ issuer: 'app' }), await sign({ ...DESK, ...rights }))).toEqual({
      ...{ target: { host: 'desk.lan', port: 5900 }, ...rights },
    });
  });

  test.each<[string, () => [JwtTokensOptions['key'], KeyObject, string]]>([
    [
      'a private key in PEM form',
      () => [rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }), rsa.privateKey, 'RS256'],
    ],
    ['a KeyObject', () => [rsa.publicKey, rsa.privateKey, 'PS256']],
    ['a JWK', () => [rsa.publicKey.export({ format: 'jwk' }), rsa.privateKey, 'RS512']],
    ['the bytes of a secret', () => [SECRET, createSecretKey(SECRET), 'HS256']],
    [
      'a secret as a JWK',
      () => [{ kty: 'oct', k: SECRET.toString('base64url') }, createSecretKey(SECRET), 'HS256'],
    ],
    ['a private key as a JWK', () => [rsa.privateKey.export({ format: 'jwk' }), rsa.privateKey, 'RS256']],
    [
      'a key of an elliptic curve',
      () => keyPair(generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'ES256'),
    ],
    ['an Ed25519 key', () => keyPair(generateKeyPairSync('ed25519'), 'EdDSA')],
    ['an Ed25519 key with its newer name', () => keyPair(generateKeyPairSync('ed25519'), 'Ed25519')],
  ])('accepts %s', async (_what, make) => {
    const [key, signing, alg] = make();
    const source = jwtTokens({ key: key!, algorithms: [alg], audience: 'vnc' });
    expect(await ask(source, await sign(DESK, signing, alg))).toMatchObject({ target: { host: 'desk.lan' } });
  });

  test.each<[string, () => KeyObject, object]>([
    ['RSA', () => rsa.privateKey, { alg: 'RSA-OAEP-256', enc: 'A256GCM' }],
    ['a secret', () => createSecretKey(SECRET), { alg: 'dir', enc: 'A256GCM' }],
  ])('accepts a signed token that is encrypted with %s, by the same key', async (_what, make, header) => {
    const key = make();
    const alg = key.type === 'secret' ? 'HS256' : 'RS256';
    const encrypt = async (text: string) =>
      new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader(header as { alg: string; enc: string })
        .encrypt(key.type === 'secret' ? key : rsa.publicKey);
    const source = jwtTokens({ key, algorithms: [alg], audience: 'vnc' });
    expect(await ask(source, await encrypt(await sign(DESK, key, alg)))).toMatchObject({ user: 'ann' });
    // Encryption proves nothing: everybody has the public key.
    expect(await ask(source, await encrypt(JSON.stringify({ ...DESK, exp: now() + 60 })))).toEqual(
      refused('not a valid JWT'),
    );
    expect(await ask(source, await encrypt(await sign({ ...DESK, exp: now() - 1 }, key, alg)))).toEqual(
      refused('expired'),
    );
  });

  test('accepts a CryptoKey, and refuses what is no key', async () => {
    const key = await webcrypto.subtle.importKey('raw', SECRET, { name: 'HMAC', hash: 'SHA-256' }, true, [
      'verify',
    ]);
    const source = jwtTokens({ key, algorithms: ['HS256'], audience: 'vnc' });
    expect(await ask(source, await sign(DESK, createSecretKey(SECRET), 'HS256'))).toMatchObject({
      user: 'ann',
    });
    for (const wrong of [{}, { keys: [] }, 5])
      expect(() => byKey({ key: wrong } as object)).toThrow(/must be a key in PEM form/);
  });

  test('refuses encryption for another key', async () => {
    const source = jwtTokens({ key: rsa.privateKey, ...RULES });
    const token = await new CompactEncrypt(new Uint8Array(1))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
      .encrypt(other.publicKey);
    expect(await ask(source, token)).toEqual(refused('it is encrypted for another key'));
  });

  test('refuses encryption with a password, for which the token would choose the work', async () => {
    const source = jwtTokens({ key: SECRET, algorithms: ['HS256'], audience: 'vnc' });
    const token = await new CompactEncrypt(new Uint8Array(1))
      .setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM' })
      .setKeyManagementParameters({ p2c: 1000 })
      .encrypt(SECRET);
    expect(await ask(source, token)).toEqual(refused('its algorithm is not accepted'));
  });
});

function keyPair(
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
  alg: string,
): [JwtTokensOptions['key'], KeyObject, string] {
  return [publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey, alg];
}

describe('issue 18: websockify accepts a JWT', () => {
  test('without exp; here exp is required', async () => {
    expect(await ask(byKey(), await sign({ ...DESK, exp: undefined }))).toEqual(
      refused('its claim exp is missing'),
    );
  });

  test('of any audience; here the audience is compared, unless false', async () => {
    const rest = { host: 'desk.lan', port: 5900 };
    expect(await ask(byKey(), await sign({ ...rest, aud: 'mail' }))).toEqual(
      refused('it is for another audience'),
    );
    expect(await ask(byKey(), await sign(rest))).toEqual(refused('its claim aud is missing'));
    expect(await ask(byKey({ audience: ['a', 'vnc'] }), await sign(DESK))).toMatchObject({ user: 'ann' });
    for (const aud of ['mail', undefined])
      expect(await ask(byKey({ audience: false }), await sign({ ...rest, aud }))).toHaveProperty('target');
  });

  test('of any algorithm; here a list of algorithms is required and compared', async () => {
    const source = byKey();
    expect(await ask(source, await sign(DESK, rsa.privateKey, 'RS512'))).toEqual(
      refused('its algorithm is not accepted'),
    );
    const none = new UnsecuredJWT({ ...DESK, exp: now() + 60 }).encode();
    expect(await ask(source, none)).toEqual(refused('not a valid JWT'));
    // An RSA public key as the secret of HMAC: everybody has this key.
    const forged = await sign(DESK, Buffer.from(PEM), 'HS256');
    expect(await ask(source, forged)).toEqual(refused('its algorithm is not accepted'));
  });
});

describe('issue 18: a public key that is used as a secret', () => {
  test.each<[string, object, RegExp]>([
    ['PEM text', { key: PEM }, /key does not fit the algorithm HS256/],
    ['the bytes of PEM text', { key: Buffer.from(PEM) }, /the text of a PEM file is not a secret/],
    ['PEM text in a JWK', { key: { kty: 'oct', k: Buffer.from(PEM).toString('base64url') } }, /not a secret/],
    ['a set of keys', { jwks: { keys: [] } }, /algorithms must be of public keys with jwks/],
  ])('is refused when the source is made: %s', (_what, key, message) => {
    for (const algorithms of [['HS256'], ['RS256', 'HS256']])
      expect(() => jwtTokens({ ...key, algorithms, audience: 'vnc' })).toThrow(message);
  });
});

describe('a JWT', () => {
  test.each<[string, () => Promise<string> | string, RegExp]>([
    ['that has expired', () => sign({ ...DESK, exp: now() }), /it has expired/],
    ['that is not valid yet', () => sign({ ...DESK, nbf: now() + 60 }), /it is not valid yet/],
    ['of another key', () => sign(DESK, other.privateKey), /its signature is of another key/],
    ['of another issuer', () => sign({ ...DESK, iss: 'mail' }), /it is of another issuer/],
    ['with an exp that is no number', () => sign({ ...DESK, exp: '9999999999' }), /its claim exp is invalid/],
    ['without a target', () => sign({ aud: 'vnc', iss: 'app' }), /a valid JWT, but its host is missing/],
    ['with a login as its host', () => sign({ ...DESK, host: 'ann:pw@desk' }), /but its host is missing or/],
    ['with port 70000', () => sign({ ...DESK, port: 70_000 }), /but its port is missing or invalid/],
    [
      'with a wrong viewOnly',
      () => sign({ ...DESK, viewOnly: 'true' }),
      /but its viewOnly is missing or invalid/,
    ],
    [
      'of 10 KB',
      () => sign({ ...DESK, x: 'x'.repeat(10_000) }).then((text) => `${text.slice(0, -9)}AAAAAAAAA`),
      /./,
    ],
    [
      'of the text "e30.e30.e30"',
      () => 'eyJhbGciOiJYIn0.e30.e30',
      /not a valid JWT: its algorithm is not accepted/,
    ],
  ])('%s is not an answer, and its note contains no part of it', async (_what, make, note) => {
    const token = await make();
    const answer = await ask(byKey({ issuer: 'app' }), token);
    expect(answer).toEqual(refused(note));
    for (const part of token.split('.').filter((one) => one.length > 8))
      expect(JSON.stringify(answer)).not.toContain(part.slice(0, 20));
  });
});

test.each(['', 'a', 'a.b.c', '..', '....', 'a.b.c.d.e', '__proto__', 'ey\0.a.b', '😀.😀.😀', 'e30.e30.e30'])(
  'the text %j is no JWT, and no note says that it is an invalid one',
  async (text) => {
    expect(await ask(byKey(), text)).toEqual(UNKNOWN);
  },
);

/** Until the client leaves. */
function sendForever(res: ServerResponse): void {
  const more = () => {
    while (!res.destroyed && res.write('x'.repeat(65_536)));
  };
  res.on('drain', more);
  res.on('error', () => undefined);
  more();
}

describe("an issuer's set of keys", () => {
  const setOf = async (...keys: [string, KeyObject][]) => ({
    keys: await Promise.all(
      keys.map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid, alg: 'RS256' })),
    ),
  });

  test('may be given, and the kid of a token picks the key', async () => {
    const jwks = await setOf(['a', rsa.publicKey], ['b', other.publicKey]);
    const source = jwtTokens({ jwks, ...RULES });
    expect(await ask(source, await sign(DESK, other.privateKey, 'RS256', { kid: 'b' }))).toMatchObject({
      user: 'ann',
    });
    expect(await ask(source, await sign(DESK, other.privateKey, 'RS256', { kid: 'a' }))).toEqual(
      refused('its signature is of another key'),
    );
    expect(await ask(source, await sign(DESK, rsa.privateKey, 'RS256', { kid: 'c' }))).toEqual(
      refused('no key of the issuer fits'),
    );
    expect(await ask(source, await sign(DESK))).toEqual(refused('several keys of the issuer fit'));
  });

  test('is fetched from its URL, once for many tokens', async () => {
    let fetched = 0;
    const set = JSON.stringify(await setOf(['a', rsa.publicKey]));
    const { port } = await startHttp((_req, res) => {
      fetched++;
      res.setHeader('Content-Type', 'application/json').end(set);
    });
    const source = jwtTokens({ jwks: `http://127.0.0.1:${port}/jwks`, ...RULES });
    for (let i = 0; i < 3; i++) expect(await ask(source, await sign(DESK))).toMatchObject({ user: 'ann' });
    expect(fetched).toBe(1);
  });

  test.each<[string, number, ((res: ServerResponse) => void) | undefined]>([
    ['is down', 503, undefined],
    ['answers 500', 503, (res) => void res.writeHead(500).end()],
    ['redirects', 503, (res) => void res.writeHead(302, { Location: '/other' }).end()],
    ['does not answer', 504, () => undefined],
    ['stops within its answer', 504, (res) => void res.write('{')],
    [
      'breaks off',
      503,
      (res) => {
        res.writeHead(200, { 'Content-Length': 9 });
        res.write('{', () => res.socket?.resetAndDestroy());
      },
    ],
    ['lies', 502, (res) => void res.end('{"keys":5}')],
    ['sends without end', 502, sendForever],
  ])('that %s refuses with %i', async (_what, status, answer) => {
    const port = answer
      ? await startHttp((_req, res) => answer(res)).then(({ server, port: at }) => {
          onCleanup(() => server.closeAllConnections());
          return at;
        })
      : await closedPort();
    const source = jwtTokens({ jwks: new URL(`http://127.0.0.1:${port}/jwks`), ...RULES, timeout: 0.3 });
    expect(await ask(source, await sign(DESK))).toMatchObject({ code: 'WSTUNNEL_STATE_DOWN', status });
  });
});

test.each<[object, RegExp]>([
  [{ key: PEM, audience: 'vnc' }, /algorithms is required, such as \["RS256"\]/],
  [{ key: PEM, algorithms: [], audience: 'vnc' }, /algorithms must list some of HS256/],
  [{ key: PEM, algorithms: ['none'], audience: 'vnc' }, /algorithms must list some of/],
  [{ key: PEM, algorithms: ['constructor'], audience: 'vnc' }, /algorithms must list some of/],
  [{ key: PEM, algorithms: 'RS256', audience: 'vnc' }, /algorithms must list some of/],
  [{ key: PEM, algorithms: ['RS256'] }, /audience is required, such as "vnc", or false/],
  [{ key: PEM, algorithms: ['RS256'], audience: '' }, /audience must be a text or a list/],
  [{ key: PEM, algorithms: ['RS256'], audience: [] }, /audience must be a text or a list/],
  [{ key: PEM, algorithms: ['ES256'], audience: 'vnc' }, /key does not fit the algorithm ES256/],
  [{ key: Buffer.from('short'), algorithms: ['HS256'], audience: 'vnc' }, /is too short for HS256/],
  [{ key: SECRET, algorithms: ['HS512'], audience: 'vnc' }, /is too short for HS512/],
  [{ key: 'secret', algorithms: ['HS256'], audience: 'vnc' }, /key must be a key in PEM form/],
  [{ key: '-----BEGIN PUBLIC KEY-----\nx', ...RULES }, /key must be a key in PEM form/],
  [{ key: { kty: 'RSA' }, ...RULES }, /key must be a key in PEM form/],
  [{ ...RULES }, /needs either key or jwks; got neither/],
  [{ key: PEM, jwks: { keys: [] }, ...RULES }, /needs either key or jwks; got both/],
  [{ key: Buffer.from(PEM), ...RULES }, /give it as a string, as readFileSync\(path, 'utf8'\) returns it/],
  [{ key: 'c2VjcmV0', ...RULES }, /A secret is bytes, such as Buffer.from\(text, 'base64'\)/],
  [{ jwks: 'http://issuer.example/jwks', ...RULES }, /jwks must be an https URL/],
  [{ jwks: 'https://ann:secret@issuer.example/jwks', ...RULES }, /jwks must be an https URL without a login/],
  [{ jwks: { keys: 5 }, ...RULES }, /jwks must be an https URL/],
])('%j is refused', (options, message) => {
  expect(() => jwtTokens(options as never)).toThrow(message);
  expect(() => jwtTokens(options as never)).not.toThrow(/secret@|BEGIN/);
});
