import type { IncomingMessage } from 'node:http';
import type { ResolvedHost } from '../backends/host.js';
import { TunnelError } from '../errors.js';
import { isPromise, orAborted, type AbortSource } from '../helpers/abort.js';
import { checkBoolean, checkText, seconds } from '../options/checks/basic.js';
import { checkNames } from '../options/checks/names.js';
import { OptionPath } from '../options/checks/option-path.js';
import { readHosts } from '../options/read-hosts.js';
import type { RuleSettings } from '../options/settings.js';
import { grantsOf, type AskGrant, type Grant, type KeptGrant } from '../request/grant.js';
import { hashOfSession, idOfTicket, ticketsOf } from '../request/ticket.js';
import type { TicketContent } from '../shared/tickets.js';
import type { TunnelContext } from './context.js';
import { hook } from './hook.js';
import type { Route } from './route.js';

/** A grant after validation. */
export interface Granted {
  /** In place of the option `server`. */
  readonly hosts?: readonly ResolvedHost[] | undefined;
  readonly user?: string | undefined;
  /** Seconds, above 0. */
  readonly maxDuration?: number | undefined;
  readonly viewOnly?: boolean | undefined;
  /** For the login checks. */
  readonly kept?: KeptGrant | undefined;
}

/** The grant of a request, or of a login check. */
export type GrantResult = Granted | undefined | Promise<Granted | undefined>;

/** The name of a grant in messages. */
const GRANT = OptionPath.of('the grant of server()');

const CHECKS = {
  // readHosts() checks the hosts.
  target: () => undefined,
  user: checkText,
  maxDuration: seconds(0.001, 31_622_400),
  viewOnly: checkBoolean,
} as const satisfies Record<keyof Grant, unknown>;

const REASONS = {
  unknown: 'the ticket is unknown, or has expired long ago',
  used: 'the ticket was used before',
  expired: 'the ticket has expired',
} as const;

/** Asks for the grant of a request; this uses its ticket up. Returns a promise only for a ticket, or a `server` that gives grants. */
export function askGrant<Req extends IncomingMessage>(
  context: Pick<TunnelContext, 'name' | 'tickets'>,
  { settings, server }: Route<Req>,
  req: Req,
  opening: AbortSource,
): GrantResult {
  const tickets = ticketsOf(req);
  const ask = grantsOf<Req>(server);
  if (tickets.length > 0) return useTicket(context, settings, req, opening, tickets, ask);
  if (settings.tickets === 'require') throw ticketMissing();
  return ask && askServer(ask, req, opening);
}

/**
 * The grant of a login check: that of the opening request. The ticket is used up, and a token may be for one use, so neither is looked up
 * again. The request must still have the ticket, and the session to which the ticket is bound.
 */
export function keptGrant<Req extends IncomingMessage>(
  { settings }: Route<Req>,
  req: Req,
  check: AbortSource,
  kept: KeptGrant | undefined,
): GrantResult {
  const [ticket, ...others] = ticketsOf(req);
  if (ticket === undefined && settings.tickets === 'require') throw ticketMissing();
  const id = ticket === undefined ? undefined : idOfTicket(ticket);
  if (id !== kept?.ticket || others.length > 0)
    throw ticketRefused('the request has another ticket than the tunnel');
  const granted = kept && { user: kept.user, viewOnly: kept.viewOnly };
  const checking = checkSession(settings, req, check, kept?.session);
  return isPromise(checking) ? checking.then(() => granted) : granted;
}

async function useTicket<Req extends IncomingMessage>(
  { name, tickets: store }: Pick<TunnelContext, 'name' | 'tickets'>,
  settings: RuleSettings<Req>,
  req: Req,
  opening: AbortSource,
  [ticket = '', ...others]: readonly string[],
  ask: AskGrant<Req> | undefined,
): Promise<Granted> {
  if (others.length > 0) throw ticketRefused('the request has several tickets');
  const outcome = await orAborted(opening, () => store.take(ticket));
  if (outcome.kind !== 'taken') throw ticketRefused(REASONS[outcome.kind]);
  const { tunnel, session, user, viewOnly } = outcome.content;
  if (tunnel !== name) throw ticketRefused(`the ticket is for the tunnel with the name ${String(tunnel)}`);
  await checkSession(settings, req, opening, session);
  const hosts = await hook('ticket', opening, () => hostsOf(outcome.content));
  // A ticket without a target leaves the target to `server`.
  const rest = hosts || !ask ? undefined : await askServer(ask, req, opening);
  const granted = {
    hosts: hosts ?? rest?.hosts,
    user: user ?? rest?.user,
    maxDuration: rest?.maxDuration,
    viewOnly: viewOnly === true || rest?.viewOnly === true,
  };
  const kept = {
    user: granted.user,
    ...(granted.viewOnly && { viewOnly: true }),
    ticket: idOfTicket(ticket),
    session,
  };
  return { ...granted, kept };
}

/** A ticket from a store has the target as data. */
function hostsOf({ hosts, target }: TicketContent): readonly ResolvedHost[] | undefined {
  return hosts ?? (target === undefined ? undefined : readHosts(target, 'the target of a ticket', true));
}

async function askServer<Req extends IncomingMessage>(
  ask: AskGrant<Req>,
  req: Req,
  opening: AbortSource,
): Promise<Granted | undefined> {
  const { signal } = opening;
  const grant: unknown = await hook('server', opening, () => ask(req, { signal }));
  return grant === undefined || grant === null
    ? undefined
    : await hook('server', opening, () => readGrant(grant));
}

/** Checks a grant of `server`. Throws {@link TunnelError} WSTUNNEL_OPTION. */
function readGrant(given: unknown): Granted {
  checkNames(given, GRANT, CHECKS);
  const { target, user, maxDuration, viewOnly } = given as Grant;
  const hosts = target === undefined ? undefined : readHosts(target, GRANT.key('target'), true);
  const kept = { user, ...(viewOnly === true && { viewOnly }) };
  return { hosts, user, maxDuration, viewOnly, ...((user !== undefined || viewOnly === true) && { kept }) };
}

/** Throws unless the request has the session with the hash `bound`. Returns a promise only if the hook does. */
function checkSession<Req extends IncomingMessage>(
  { session }: RuleSettings<Req>,
  req: Req,
  signal: AbortSource,
  bound: string | undefined,
): void | Promise<void> {
  if (bound === undefined) return;
  const check = (id: unknown) => {
    if (id !== undefined && id !== null && typeof id !== 'string')
      throw new TunnelError('WSTUNNEL_HOOK_FAILED', 'session: the result must be a string or undefined');
    // Hashes are compared, so that the time of the comparison reveals nothing about the id.
    if (typeof id !== 'string' || hashOfSession(id) !== bound)
      throw ticketRefused('the ticket is bound to another session');
  };
  const id: unknown = hook('session', signal, () => (session ? session(req) : sessionOf(req)));
  if (isPromise(id)) return id.then(check);
  check(id);
}

/** The default of the option `session`: express-session's id. */
function sessionOf(req: IncomingMessage): string | undefined {
  return (req as IncomingMessage & { sessionID?: string }).sessionID;
}

/** The same message for each reason: a client must not learn which tickets exist. */
function ticketRefused(detail: string): TunnelError {
  const message = 'this ticket cannot be used: ask the page for a new one';
  return new TunnelError('WSTUNNEL_TICKET_REFUSED', message, { detail });
}

function ticketMissing(): TunnelError {
  return new TunnelError('WSTUNNEL_TICKET_REFUSED', 'a ticket is needed to open this tunnel');
}
