import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf } from '../../errors.js';
import { certificatesIn } from './certificates.js';
import { fail } from './fail.js';
import { OptionPath, type OptionRef } from './option-path.js';

type TlsOptions = SecureContextOptions & { readonly secureContext?: SecureContext | undefined };

/**
 * Creates the secure context for `tls.connect`'s options. Invalid certificates and keys are found at creation, not at the first
 * connection. Throws {@link TunnelError} WSTUNNEL_OPTION.
 */
export function readSecureContext(options: TlsOptions, name: OptionRef): SecureContext {
  if (options.secureContext) return options.secureContext;
  const path = OptionPath.of(name);
  for (const ca of [options.ca ?? []].flat()) checkAuthority(ca, path.key('ca'), options);
  try {
    return createSecureContext(options);
  } catch (error) {
    return fail(name, `can't be used (${messageOf(error)})`, options);
  }
}

/** Ignores values that are neither text nor bytes: `createSecureContext` checks such values. */
function checkAuthority(ca: unknown, name: OptionPath, options: TlsOptions): void {
  if (typeof ca !== 'string' && !ArrayBuffer.isView(ca)) return;
  const text = typeof ca === 'string' ? ca : Buffer.from(ca.buffer, ca.byteOffset, ca.byteLength).toString();
  try {
    certificatesIn(text);
  } catch (error) {
    fail(name, `can't be used (${messageOf(error)})`, options);
  }
}
