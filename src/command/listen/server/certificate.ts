import { readTextFile } from '../../files.js';
import { certificateOf, readAuthorities, readKeyPair } from '../../pem.js';
import type { Plan } from '../plan.js';

/** What a https server takes. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly requestCert?: true;
}

/** The files, checked. @throws {CommandError} */
export function readCertificate(
  { clientCa, ...files }: NonNullable<Plan['tls']>,
  warn: (line: string) => void,
): Certificate {
  const pair = readKeyPair(files, warn);
  return clientCa === undefined ? pair : { ...pair, ca: readAuthorities(clientCa), requestCert: true };
}

/** Is this server's certificate for a name? A page of another name can't reach it: the browser does not trust the connection. */
export function certificateNames({ cert }: NonNullable<Plan['tls']>): (name: string) => boolean {
  const own = certificateOf(readTextFile(cert), cert);
  return (name) => own.checkHost(name) !== undefined;
}
