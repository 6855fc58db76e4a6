import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: Buffer;
  readonly cert: Buffer;
}

let made: Certificate | undefined;

/** A self-signed certificate for localhost and 127.0.0.1, created once per process. */
export function certificate(): Certificate {
  made ??= makeCertificate();
  return made;
}

/** A new certificate; on request with another name, or already expired. */
export function makeCertificate({ name = 'localhost', expired = false } = {}): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-certificate-'));
  try {
    const [key, request, cert] = ['key.pem', 'request.pem', 'cert.pem'].map((file) => join(folder, file));
    const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
    const what = ['-subj', `/CN=${name}`, '-addext', names, '-keyout', key!];
    const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
    if (!expired) openssl('req', '-x509', ...how, '-days', '2', ...what, '-out', cert!);
    else {
      openssl('req', ...how, ...what, '-out', request!);
      openssl(
        'x509',
        '-req',
        '-in',
        request!,
        '-signkey',
        key!,
        '-days',
        '-1',
        '-copy_extensions',
        'copy',
        '-out',
        cert!,
      );
    }
    return { key: readFileSync(key!), cert: readFileSync(cert!) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
