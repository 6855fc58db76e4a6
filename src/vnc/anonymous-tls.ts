import type { ConnectionOptions } from 'node:tls';
import { vncRefusal } from './refusals.js';

/**
 * The TLS options for a server without a certificate: the subtypes TLSNone, TLSVnc and TLSPlain of VeNCrypt use anonymous
 * Diffie-Hellman. TLS 1.3 has no anonymous ciphers (RFC 8446 appendix C.5), and OpenSSL accepts them at security level 0 only.
 * Anybody between this process and the server can read and change such a connection: only for a host whose `tls` accepts any
 * certificate. Throws WSTUNNEL_VNC_REFUSED for other hosts.
 *
 * A `secureContext` of the host must not be added to the result: with it, Node would ignore these ciphers.
 */
export function anonymousTls(tls: boolean | ConnectionOptions | undefined): ConnectionOptions {
  if (typeof tls !== 'object' || tls.rejectUnauthorized !== false)
    throw vncRefusal(
      'the VNC server has no certificate for TLS',
      'anonymous TLS needs "tls": { "rejectUnauthorized": false } of the host',
    );
  return {
    ...tls,
    secureContext: undefined,
    ciphers: 'aNULL:!eNULL:@SECLEVEL=0',
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.2',
  };
}
