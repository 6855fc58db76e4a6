import { readTextFile } from '../../files.js';
import { certificateOf, readAuthorities, readKeyPair } from '../../pem.js';
import type { Plan } from '../plan.js';

/** The TLS options of an https server. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly requestCert?: true;
}

/** Reads and checks the files. @throws {CommandError} */
export function readCertificate(
  { clientCa, ...files }: NonNullable<Plan['tls']>,
  warn: (line: string) => void,
): Certificate {
  const pair = readKeyPair(files, warn);
  return clientCa === undefined ? pair : { ...pair, ca: readAuthorities(clientCa), requestCert: true };
}

/**
 * Returns a check whether the certificate is valid for a name. Pages under any other name can't connect: browsers reject the
 * certificate.
 */
export function certificateNames({ cert }: NonNullable<Plan['tls']>): (name: string) => boolean {
  const own = certificateOf(readTextFile(cert), cert);
  return (name) => own.checkHost(name) !== undefined;
}
