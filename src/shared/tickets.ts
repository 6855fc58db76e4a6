import type { ResolvedHost } from '../backends/host.js';
import { messageOf, TunnelError } from '../errors.js';
import type { TicketCalls } from '../replicas/ticket-calls.js';
import { TicketMemory, type TicketOutcome } from '../replicas/ticket-memory.js';
import { idOfTicket, isTicket, newTicket } from '../request/ticket.js';
import type { Host } from '../types.js';
import { seal, unseal } from './ticket-seal.js';

/** The content of a ticket: the tunnel, and the grant for the request that uses the ticket. */
export interface TicketContent {
  /** The option `name` of the tunnel that made the ticket. */
  readonly tunnel?: string | undefined;
  readonly user?: string | undefined;
  /** A hash of the session to which the ticket is bound. */
  readonly session?: string | undefined;
  readonly viewOnly?: boolean | undefined;
  /** As given to `ticket()`, for a ticket in a store. */
  readonly target?: Host | readonly Host[] | undefined;
  /** The hosts of the target, for a ticket in the memory of this process. */
  readonly hosts?: readonly ResolvedHost[] | undefined;
}

const RETRY = { headers: { 'Retry-After': '1' } };

/**
 * The unused tickets of a state: in the memory of this process, or in the store that several processes share. With a store, memory has
 * only the tickets that were made while the store was down. No ticket is in both.
 */
export class Tickets {
  readonly #memory = new TicketMemory<TicketContent>();
  readonly #shared: TicketCalls | undefined;

  constructor(shared: TicketCalls | undefined) {
    this.#shared = shared;
  }

  /** Must the content be data, for other processes? */
  get isShared(): boolean {
    return this.#shared !== undefined;
  }

  /** Makes a ticket. Returns a promise only if processes share the state. */
  make(content: TicketContent, seconds: number): string | Promise<string> {
    return this.#shared ? this.#makeShared(this.#shared, content, seconds) : this.#makeHere(content, seconds);
  }

  /** Uses a ticket up. Returns a promise only if processes share the state. Throws the 503 while their store is down. */
  take(ticket: string): TicketOutcome<TicketContent> | Promise<TicketOutcome<TicketContent>> {
    if (!isTicket(ticket)) return { kind: 'unknown' };
    const here = this.#memory.take(idOfTicket(ticket));
    return here.kind === 'unknown' && this.#shared ? takeShared(this.#shared, ticket) : here;
  }

  #makeHere(content: TicketContent, seconds: number): string {
    const ticket = newTicket();
    if (!this.#memory.put(idOfTicket(ticket), content, seconds * 1000)) throw tooMany();
    return ticket;
  }

  async #makeShared(shared: TicketCalls, content: TicketContent, seconds: number): Promise<string> {
    const ticket = newTicket();
    let isStored: boolean;
    try {
      isStored = await shared.put(idOfTicket(ticket), seal(ticket, content), seconds * 1000);
    } catch (error) {
      if (!shared.isLocalAllowed) throw storeDown('made', error);
      // A new ticket, since the store may have the first one after all: a ticket in two places could be used twice.
      return this.#makeHere(content, seconds);
    }
    if (!isStored) throw tooMany();
    return ticket;
  }
}

async function takeShared(shared: TicketCalls, ticket: string): Promise<TicketOutcome<TicketContent>> {
  let outcome: TicketOutcome<string>;
  try {
    outcome = await shared.take(idOfTicket(ticket));
  } catch (error) {
    throw storeDown('checked', error);
  }
  if (outcome.kind !== 'taken') return outcome;
  try {
    return { kind: 'taken', content: unseal(ticket, outcome.content) };
  } catch (error) {
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `a ticket in the store can't be read: ${messageOf(error)}`);
  }
}

/** The client gets no details: the store's errors name its address. */
function storeDown(what: string, cause: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_STATE_DOWN', `tickets cannot be ${what} at the moment`, {
    ...RETRY,
    cause,
  });
}

function tooMany(): TunnelError {
  return new TunnelError('WSTUNNEL_FULL', 'too many unused tickets', RETRY);
}
