import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { CommandError, EXIT } from '../exit.js';
import { readText } from '../files.js';
import type { Plan } from './plan.js';

/** What a https server takes. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly requestCert?: true;
}

/** The files, checked; without `key` it is in the certificate's file, as websockify has it. */
export function readCertificate(
  { cert, key = cert, clientCa }: NonNullable<Plan['tls']>,
  warn: (line: string) => void,
): Certificate {
  const chain = readText(cert);
  const own = certificateOf(chain, cert);
  const keyText = key === cert ? chain : readText(key);
  if (!own.checkPrivateKey(keyOf(keyText, key)))
    throw new CommandError(EXIT.config, `${key}: this is not the key of ${cert}`);
  if (Date.parse(own.validTo) < Date.now()) warn(`${cert}: the certificate has expired, on ${own.validTo}`);
  if (clientCa === undefined) return { cert: chain, key: keyText };
  const ca = readText(clientCa);
  certificateOf(ca, clientCa);
  return { cert: chain, key: keyText, ca, requestCert: true };
}

/** Is this server's certificate for a name? A page of another name can't reach it: the browser does not trust the connection. */
export function certificateNames({ cert }: NonNullable<Plan['tls']>): (name: string) => boolean {
  const own = certificateOf(readText(cert), cert);
  return (name) => own.checkHost(name) !== undefined;
}

function certificateOf(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new CommandError(EXIT.config, `${file}: there is no certificate in PEM form in it`, {
      cause: error,
    });
  }
}

function keyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isLocked = code === 'ERR_MISSING_PASSPHRASE' || pem.includes('ENCRYPTED');
    const why = isLocked
      ? 'the key is encrypted: openssl pkey -in FILE'
      : 'there is no private key in PEM form in it';
    throw new CommandError(EXIT.config, `${file}: ${why}`, { cause: error });
  }
}
