import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../errors.js';
import { certificatesIn } from '../options/checks/certificates.js';
import { CommandError, EXIT } from './exit.js';
import { readTextFile } from './files.js';

/** A certificate with its intermediate certificates, and the certificate's key, in PEM form. */
interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Reads and checks the files. Without `key`, the certificate's file must contain the key, as in websockify. @throws {CommandError} */
export function readKeyPair(
  { cert, key = cert }: { readonly cert: string; readonly key?: string },
  warn: (line: string) => void,
): KeyPair {
  const chain = readTextFile(cert);
  const own = certificateOf(chain, cert);
  const keyText = key === cert ? chain : readTextFile(key);
  if (!own.checkPrivateKey(keyOf(keyText, key)))
    throw new CommandError(EXIT.config, `${key}: this key does not belong to ${cert}`);
  try {
    createSecureContext({ cert: chain, key: keyText });
  } catch (error) {
    throw new CommandError(EXIT.config, `${cert}: ${messageOf(error)}`, { cause: error });
  }
  if (Date.parse(own.validTo) < Date.now()) warn(`${cert}: the certificate expired on ${own.validTo}`);
  return { cert: chain, key: keyText };
}

/** Reads a file with the certificates of one or more CAs. @throws {CommandError} */
export function readAuthorities(file: string): string {
  const text = readTextFile(file);
  certificateOf(text, file);
  return text;
}

/** The first certificate of a file; all certificates are checked. @throws {CommandError} */
export function certificateOf(pem: string, file: string): X509Certificate {
  try {
    return certificatesIn(pem)[0];
  } catch (error) {
    throw new CommandError(EXIT.config, `${file}: ${messageOf(error)}`, { cause: error });
  }
}

function keyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isLocked = code === 'ERR_MISSING_PASSPHRASE' || pem.includes('ENCRYPTED');
    const why = isLocked
      ? 'the key is encrypted; decrypt it: openssl pkey -in FILE'
      : 'it contains no private key in PEM form';
    throw new CommandError(EXIT.config, `${file}: ${why}`, { cause: error });
  }
}
