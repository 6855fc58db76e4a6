import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  KeyObject,
  type JsonWebKey,
  type webcrypto,
} from 'node:crypto';
import { types } from 'node:util';
import { messageOf } from '../../errors.js';
import { optionError } from '../../options/checks/option-error.js';

/** A key in PEM form (public, private or a certificate), the bytes of a secret, a JWK, or a key of node:crypto or WebCrypto. */
export type JwtKey = string | Uint8Array | JsonWebKey | KeyObject | webcrypto.CryptoKey;

/** The signature algorithms of jose, each with the check whether a key fits. `none` is not among them. */
export const ALGORITHMS: Readonly<Record<string, (key: KeyObject) => boolean>> = {
  ...ofBits((bits) => [
    `HS${bits}`,
    ({ type, symmetricKeySize = 0 }) => type === 'secret' && symmetricKeySize * 8 >= bits,
  ]),
  ...ofBits((bits) => [`RS${bits}`, ({ asymmetricKeyType: type }) => type === 'rsa']),
  ...ofBits((bits) => [`PS${bits}`, ({ asymmetricKeyType: type }) => type === 'rsa' || type === 'rsa-pss']),
  ES256: isCurve('prime256v1'),
  ES384: isCurve('secp384r1'),
  ES512: isCurve('secp521r1'),
  EdDSA: ({ asymmetricKeyType: type }) => type === 'ed25519',
  Ed25519: ({ asymmetricKeyType: type }) => type === 'ed25519',
};

function ofBits(row: (bits: number) => [string, (key: KeyObject) => boolean]) {
  return Object.fromEntries([256, 384, 512].map(row));
}

function isCurve(name: string) {
  return ({ asymmetricKeyDetails: details }: KeyObject): boolean => details?.namedCurve === name;
}

/** The key to verify with, and the key to decrypt with: a public key decrypts nothing. */
export interface JwtKeys {
  readonly verify: KeyObject;
  readonly decrypt?: KeyObject;
}

/**
 * Reads a key, and compares it with the algorithms: if a public key were used as the secret of HS256, everybody could sign tokens.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION
 */
export function readJwtKey(given: unknown, algorithms: readonly string[], name: string): JwtKeys {
  const key = keyOf(given, name);
  const unfit = algorithms.find((algorithm) => ALGORITHMS[algorithm]?.(key) !== true);
  if (unfit?.startsWith('HS') === true && key.type === 'secret')
    throw optionError(
      name,
      `is too short for ${unfit}: a secret needs as many bits as the hash (RFC 7518 section 3.2)`,
    );
  if (unfit !== undefined) throw optionError(name, `does not fit the algorithm ${unfit}`);
  if (key.type === 'public') return { verify: key };
  return { verify: key.type === 'private' ? createPublicKey(key) : key, decrypt: key };
}

/** Messages never contain the key. */
function keyOf(given: unknown, name: string): KeyObject {
  const rule = 'must be a key in PEM form, the bytes of a secret, a JWK, a KeyObject or a CryptoKey';
  try {
    if (given instanceof KeyObject) return given;
    if (types.isCryptoKey(given)) return KeyObject.from(given);
    if (typeof given === 'string' && given.includes('-----BEGIN ')) return pemKey(given);
    if (given instanceof Uint8Array) return secretOf(given);
    if (typeof given === 'object' && given !== null && Object.hasOwn(given, 'kty'))
      return jwkOf(given as JsonWebKey);
  } catch (error) {
    throw optionError(name, `${rule} (${messageOf(error)})`);
  }
  throw optionError(name, rule);
}

function pemKey(text: string): KeyObject {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) ? createPrivateKey(text) : createPublicKey(text);
}

function jwkOf(key: JsonWebKey): KeyObject {
  if (key.kty === 'oct') return secretOf(Buffer.from(key.k ?? '', 'base64url'));
  return key.d === undefined
    ? createPublicKey({ key, format: 'jwk' })
    : createPrivateKey({ key, format: 'jwk' });
}

/** The bytes of a PEM file as a secret are a classic mistake: everybody who has the public key could sign tokens. */
function secretOf(bytes: Uint8Array): KeyObject {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.includes('-----BEGIN '))
    throw new Error('the text of a PEM file is not a secret: give it as a string');
  return createSecretKey(buffer);
}
