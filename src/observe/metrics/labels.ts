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

/** The close codes of RFC 6455 and of the table of ends. The peer chooses among 2,000 other codes. */
const CODES: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  4409,
]);

export function closeCodeLabel(code: number): string {
  return CODES.has(code) ? String(code) : OTHER;
}
