import type * as Jose from 'jose';
import { creationError, messageOf, TunnelError } from '../../errors.js';
import { readBody } from '../body.js';
import { isJwt } from './jwt-form.js';
import { sourceFailure } from '../refusals.js';
import type { JwtKeys } from './jwt-key.js';

/** The requirements for a valid token. */
export interface JwtRules {
  readonly algorithms: readonly string[];
  readonly issuer?: string | readonly string[];
  readonly audience?: string | readonly string[];
}

/** The keys of an issuer: one key, a set of keys, or the address of a set. */
export type KeySource =
  | { readonly kind: 'key'; readonly keys: JwtKeys }
  | { readonly kind: 'set'; readonly set: Jose.JSONWebKeySet }
  | { readonly kind: 'url'; readonly url: URL; readonly timeout: number };

/** Returns the claims of a valid token, or undefined and a note for any other text. */
export type VerifyJwt = (
  token: string,
  note: (reason: string) => void,
) => Promise<Jose.JWTPayload | undefined>;

/** jose is an optional package of the app. @throws {TunnelError} WSTUNNEL_OPTION if it is not installed */
async function loadJose(): Promise<typeof Jose> {
  try {
    return await import('jose');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
    throw creationError(
      'WSTUNNEL_OPTION',
      'tokens that are JWTs need the package jose: npm install jose',
      error,
    );
  }
}

/** Encryption with keys. Encryption with a password (PBES2) is left out: the token would choose the number of iterations. */
const KEY_MANAGEMENT = [
  ...['dir', 'A128KW', 'A192KW', 'A256KW', 'A128GCMKW', 'A192GCMKW', 'A256GCMKW', 'RSA-OAEP', 'RSA-OAEP-256'],
  ...['RSA-OAEP-384', 'RSA-OAEP-512', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A192KW', 'ECDH-ES+A256KW'],
];

export async function jwtVerifier(source: KeySource, rules: JwtRules): Promise<VerifyJwt> {
  const jose = await loadJose();
  const options: Jose.JWTVerifyOptions = {
    algorithms: [...rules.algorithms],
    requiredClaims: ['exp'],
    ...(rules.issuer !== undefined && { issuer: [rules.issuer].flat() }),
    ...(rules.audience !== undefined && { audience: [rules.audience].flat() }),
  };
  const verify = verifierOf(jose, source);
  return async (token, note) => {
    try {
      return await verify(token, options);
    } catch (error) {
      const reason = refusedBy(jose, error);
      if (reason === undefined) throw failureOf(jose, error);
      // Of another text there is nothing to say: it may be a token of another source.
      if (isJwt(token)) note(`not a valid JWT: ${reason}`);
      return undefined;
    }
  };
}

function verifierOf(
  jose: typeof Jose,
  source: KeySource,
): (token: string, options: Jose.JWTVerifyOptions) => Promise<Jose.JWTPayload> {
  if (source.kind === 'key') {
    const { verify, decrypt } = source.keys;
    return async (token, options) => {
      // As in websockify: an encrypted token contains a signed token, and one key is for both.
      const isEncrypted = token.split('.').length === 5;
      const signed = isEncrypted && decrypt ? await decrypted(jose, token, decrypt) : token;
      return (await jose.jwtVerify(signed, verify, options)).payload;
    };
  }
  const keys =
    source.kind === 'set'
      ? jose.createLocalJWKSet(source.set)
      : jose.createRemoteJWKSet(source.url, {
          timeoutDuration: source.timeout * 1000,
          [jose.customFetch]: fetchLimited,
        });
  return async (token, options) => (await jose.jwtVerify(token, keys, options)).payload;
}

/** Bytes of a set of keys: thousands of keys. jose itself reads any answer to its end. */
const MAX_SET = 1024 * 1024;

const SET_FAULTS = {
  tooLong: `the keys of the issuer have more than ${MAX_SET} bytes`,
  broken: 'the connection to the issuer broke within its keys',
};

const fetchLimited: Jose.FetchImplementation = async (url, options) => {
  const response = await fetch(url, options);
  const { status, body } = response;
  if (status !== 200) {
    await body?.cancel().catch(() => undefined);
    return new Response(null, { status });
  }
  return new Response(await readBody(response, MAX_SET, options.signal, SET_FAULTS));
};

async function decrypted(jose: typeof Jose, token: string, key: Jose.KeyObject): Promise<string> {
  const { plaintext } = await jose.compactDecrypt(token, key, { keyManagementAlgorithms: KEY_MANAGEMENT });
  return new TextDecoder().decode(plaintext);
}

/** Why the token is invalid, without any part of the token; undefined if the token could not be checked. */
function refusedBy({ errors }: typeof Jose, error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'it has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimFault(error);
  if (error instanceof errors.JWKSNoMatchingKey) return 'no key of the issuer fits';
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return 'several keys of the issuer fit, and it has no kid';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'its signature is of another key';
  if (error instanceof errors.JWEDecryptionFailed) return 'it is encrypted for another key';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not accepted';
  if (error instanceof errors.JOSENotSupported) return 'its algorithm or encryption is not supported';
  const malformed = [errors.JWTInvalid, errors.JWSInvalid, errors.JWEInvalid];
  return malformed.some((kind) => error instanceof kind) ? 'it is malformed' : undefined;
}

/** A claim that is there, and is not the expected one. */
const OTHER: Readonly<Record<string, string>> = {
  aud: 'it is for another audience',
  iss: 'it is of another issuer',
  nbf: 'it is not valid yet',
};

function claimFault({ claim, reason }: Jose.errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `its claim ${claim} is missing`;
  return (reason === 'check_failed' ? OTHER[claim] : undefined) ?? `its claim ${claim} is invalid`;
}

function failureOf({ errors }: typeof Jose, error: unknown): unknown {
  if (error instanceof TunnelError) return error;
  if (error instanceof errors.JWKSTimeout)
    return sourceFailure('late', 'the keys of the issuer are not reached in time');
  if (error instanceof errors.JWKSInvalid)
    return sourceFailure('wrong', 'the keys of the issuer are not a JWK set');
  if (error instanceof errors.JOSEError || messageOf(error) === 'fetch failed')
    return sourceFailure('down', 'the keys of the issuer are not reached');
  return error;
}
