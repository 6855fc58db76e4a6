import type { TunnelError } from '../../errors.js';
import { OTHER } from './label-counts.js';

/** The label value of a host that no options list: a `server` function, a ticket or a token can name any number of hosts. */
export const DYNAMIC = 'dynamic';

/** How the opening of a tunnel ended. */
export type HandshakeOutcome = 'opened' | 'refused' | 'failed' | 'gone';

/** `refused`: the request is at fault. `failed`: the server or a backend is at fault. */
export function outcomeOf({ code, status }: TunnelError): HandshakeOutcome {
  if (code === 'WSTUNNEL_CLIENT_GONE') return 'gone';
  return status >= 500 ? 'failed' : 'refused';
}

/** The lowest close code that a peer may choose freely (RFC 6455 section 7.4.2). Below are 15 registered codes. */
const PRIVATE = 3000;

/** Our only private close code: a tunnel that another tunnel of the same user has replaced (409 Conflict). */
const REPLACED = 4000 + 409;

export function closeCodeLabel(code: number): string {
  return code < PRIVATE || code === REPLACED ? String(code) : OTHER;
}
