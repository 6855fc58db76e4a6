import { orAborted } from '../helpers/abort.js';
import { seconds } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { EntryFault, readClaims } from './entry.js';
import { ALGORITHMS, readJwtKey, type JwtKey } from './jwt/jwt-key.js';
import { jwtVerifier, type KeySource, type VerifyJwt } from './jwt/verify-jwt.js';
import { withTraits, type TokenSource } from './token-types.js';

/** The options of `jwtTokens()`. */
export interface JwtTokensOptions {
  /** The key of the issuer: in PEM form, a JWK, the bytes of a secret (HS256), a KeyObject or a CryptoKey. Excludes `jwks`. */
  key?: JwtKey;
  /** The issuer's set of public keys, or the https URL of the set, which is fetched again when it has no key for a token. */
  jwks?: string | URL | { keys: object[] };
  /** The accepted signature algorithms, such as `['RS256']`. */
  algorithms: string[];
  /** The claim `aud` that a token must have: a token for another service opens no tunnel. `false`: any audience, or none. */
  audience: string | string[] | false;
  /** The claim `iss` that a token must have. Default: any, since the key belongs to one issuer. */
  issuer?: string | string[];
  /** Seconds within which `jwks` must be fetched. Default 5. */
  timeout?: number;
}

const TIMEOUT = 5;

const CHECKS = {
  key: () => undefined,
  jwks: (value: unknown, name: OptionRef) => void readJwks(value, name),
  algorithms: (value: unknown, name: OptionRef) => {
    const list: unknown[] = Array.isArray(value) ? value : [];
    const known = list.every((one) => typeof one === 'string' && Object.hasOwn(ALGORITHMS, one));
    if (list.length === 0 || !known)
      fail(name, `must list some of ${Object.keys(ALGORITHMS).join(', ')}`, value);
  },
  audience: (value: unknown, name: OptionRef) => {
    if (value !== false) checkTexts(value, name);
  },
  issuer: checkTexts,
  timeout: seconds(0.05, 30),
};

/**
 * websockify's JWTTokenApi: signed tokens (JWS), or signed and encrypted ones. The claims `host` and `port` are the target; `sub` or
 * `user`, `viewOnly` and `maxDuration` are optional. Needs the package `jose`. A token must have `exp`.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, and for a key that does not fit the algorithms.
 */
export function jwtTokens(options: JwtTokensOptions): TokenSource {
  checkNames(options, 'jwtTokens()', CHECKS);
  const { algorithms, audience, issuer } = options as Partial<JwtTokensOptions>;
  if (algorithms === undefined)
    fail(
      'jwtTokens().algorithms',
      'is required, such as ["RS256"]: a token must not choose how it is checked',
      algorithms,
    );
  if (audience === undefined)
    fail('jwtTokens().audience', 'is required, such as "vnc", or false for tokens of any audience', audience);
  const keys = keysOf(options);
  const rules = {
    algorithms,
    ...(issuer !== undefined && { issuer }),
    ...(audience !== false && { audience }),
  };
  let loading: Promise<VerifyJwt> | undefined;
  const verifier = () => (loading ??= jwtVerifier(keys, rules));
  return withTraits(
    async (token, { signal, note }) => {
      const claims = await orAborted(signal, async () => (await verifier())(token, note));
      if (!claims) return undefined;
      try {
        return readClaims(claims);
      } catch (error) {
        if (!(error instanceof EntryFault)) throw error;
        note(`a valid JWT, but ${error.message}`);
        return undefined;
      }
    },
    {
      needsTargets: true,
      open: async () => {
        await verifier();
      },
    },
  );
}

function keysOf({ key, jwks, algorithms, timeout = TIMEOUT }: JwtTokensOptions): KeySource {
  if ((key === undefined) === (jwks === undefined))
    fail('jwtTokens()', 'needs either key or jwks', { key, jwks });
  if (jwks === undefined) return { kind: 'key', keys: readJwtKey(key, algorithms, 'jwtTokens().key') };
  const secret = algorithms.find((algorithm) => algorithm.startsWith('HS'));
  if (secret !== undefined)
    fail(
      'jwtTokens().algorithms',
      'must be of public keys with jwks: a set of keys has no secrets',
      algorithms,
    );
  const read = readJwks(jwks, 'jwtTokens().jwks');
  return read instanceof URL ? { kind: 'url', url: read, timeout } : { kind: 'set', set: read };
}

function readJwks(value: unknown, name: OptionRef): URL | { keys: object[] } {
  if (typeof value === 'object' && value !== null && Array.isArray((value as { keys?: unknown }).keys))
    return value as { keys: object[] };
  const url =
    value instanceof URL || (typeof value === 'string' && URL.canParse(value)) ? new URL(value) : undefined;
  // Over plain http, anybody on the network path could replace the keys.
  const isLocal = url?.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url && (url.protocol === 'https:' || isLocal) && url.username === '' && url.password === '') return url;
  return fail(name, 'must be an https URL without a login, or an object with a list "keys"', value);
}

function checkTexts(value: unknown, name: OptionRef): void {
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0 || texts.some((text) => typeof text !== 'string' || text === ''))
    fail(name, 'must be a text or a list of texts', value);
}
