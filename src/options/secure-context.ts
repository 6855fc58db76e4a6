import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { messageOf } from '../errors.js';
import { certificatesIn } from './certificates.js';
import { fail } from './checks.js';

type Given = SecureContextOptions & { readonly secureContext?: SecureContext | undefined };

/** Wrong certificates and keys are found at the start, not at the first connection. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readSecureContext(given: Given, name: string): SecureContext {
  if (given.secureContext) return given.secureContext;
  for (const ca of [given.ca ?? []].flat()) checkAuthority(ca, `${name}.ca`, given);
  try {
    return createSecureContext(given);
  } catch (error) {
    return fail(name, `can't be used (${messageOf(error)})`, given);
  }
}

/** What is neither text nor bytes is left to `createSecureContext`. */
function checkAuthority(ca: unknown, name: string, given: Given): void {
  if (typeof ca !== 'string' && !ArrayBuffer.isView(ca)) return;
  const text = typeof ca === 'string' ? ca : Buffer.from(ca.buffer, ca.byteOffset, ca.byteLength).toString();
  try {
    certificatesIn(text);
  } catch (error) {
    fail(name, `can't be used (${messageOf(error)})`, given);
  }
}
