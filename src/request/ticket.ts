import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { queryOf } from './path.js';

/** The parameter of the query. CAS uses the same name: only values with the prefix are tickets. */
const PARAMETER = 'ticket';
const PREFIX = 'wst_';

/** Bytes of randomness. */
const SIZE = 32;

const IS_TICKET = /^wst_[\w-]{43}$/;

export function newTicket(): string {
  return PREFIX + randomBytes(SIZE).toString('base64url');
}

/** Has the text the form of a ticket? */
export function isTicket(text: string): boolean {
  return IS_TICKET.test(text);
}

/** The decoded values of `ticket` in a query that have the prefix of tickets. The rest of a value may be malformed: {@link isTicket}. */
export function ticketsIn(query: string): string[] {
  if (query === '') return [];
  return new URLSearchParams(query).getAll(PARAMETER).filter((value) => value.startsWith(PREFIX));
}

/** The same for a request. */
export function ticketsOf(req: IncomingMessage): string[] {
  return ticketsIn(queryOf(req));
}

/** The id of the ticket in a store. The ticket can't be computed from the id. */
export function idOfTicket(ticket: string): string {
  return derived(ticket, 'id').toString('base64url');
}

/** The key that encrypts the content of a ticket in a store. */
export function keyOfTicket(ticket: string): Buffer {
  return derived(ticket, 'key');
}

function derived(ticket: string, purpose: string): Buffer {
  return createHmac('sha256', ticket).update(`express-wstunnel ticket ${purpose}`).digest();
}

/** The id of a session is a secret: a ticket contains only a hash. */
export function hashOfSession(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
