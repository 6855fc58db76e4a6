import { validateHeaderName, validateHeaderValue } from 'node:http';
import { messageOf, TunnelError } from '../errors.js';
import type { AuthResult } from '../types.js';

/** Throws the refusal according to the result of `authenticate`; only `true` passes. */
export function checkAuthResult(result: AuthResult): void {
  if (result === true) return;
  // A hook written in JavaScript may return null.
  if (typeof result !== 'object' || !(result as object | null)) {
    throw new TunnelError('WSTUNNEL_NOT_AUTHENTICATED', 'you are not logged in');
  }
  const { status, headers, body } = result;
  if (!Number.isInteger(status) || status < 400 || status > 599)
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      `authenticate: a refusal needs a status from 400 to 599, not ${status}`,
    );
  if (body !== undefined && typeof (body as unknown) !== 'string')
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', 'authenticate: the body of a refusal must be a string');
  try {
    for (const [name, value] of Object.entries(headers ?? {})) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
  } catch (error) {
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `authenticate: ${messageOf(error)}`, { cause: error });
  }
  throw new TunnelError('WSTUNNEL_NOT_AUTHENTICATED', body ?? 'you may not open this tunnel', {
    status,
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
  });
}
