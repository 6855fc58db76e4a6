import type { TunnelError } from '../../errors.js';
import { OTHER } from './label-counts.js';

/** The label value of a host that no options list: a `server` function, a ticket or a token can name any number of hosts. */
export const DYNAMIC = 'dynamic';

/** How the opening of a tunnel ended. */
export type HandshakeOutcome = 'opened' | 'refused' | 'failed' | 'gone';

/** `refused` is the fault of the request, `failed` of the server or a backend. */
export function outcomeOf({ code, status }: TunnelError): HandshakeOutcome {
  if (code === 'WSTUNNEL_CLIENT_GONE') return 'gone';
  return status >= 500 ? 'failed' : 'refused';
}

/** From here on, the peer may choose any close code (RFC 6455 section 7.4.2); a Close below has one of 15 registered codes. */
const PRIVATE = 3000;

/** Our only private close code: a tunnel that another tunnel of the same user has replaced (409 Conflict). */
const REPLACED = 4000 + 409;

export function closeCodeLabel(code: number): string {
  return code < PRIVATE || code === REPLACED ? String(code) : OTHER;
}
