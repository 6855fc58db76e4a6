import { checkData } from '../options/checks/data.js';
import { checkBoolean, checkText, seconds } from '../options/checks/basic.js';
import { fail, type Check } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { OptionPath } from '../options/checks/option-path.js';
import { readHosts } from '../options/read-hosts.js';
import { hashOfSession } from '../request/ticket.js';
import type { TicketContent } from '../shared/tickets.js';
import type { TicketOptions } from '../types.js';

/** Seconds until a ticket expires: enough for a page to open its WebSocket. */
const SECONDS = 30;

/** Most characters of a target in a store, as JSON. */
const MOST_CHARACTERS = 64 * 1024;

const CALL = 'ticket()';

/** The checks of the options of `ticket()`. */
export const TICKET_OPTIONS = {
  user: checkText,
  // readHosts() checks the hosts.
  target: () => undefined,
  seconds: seconds(1, 86_400),
  session: checkText,
  viewOnly: checkBoolean,
} as const satisfies Record<keyof TicketOptions, Check>;

interface TicketMaker {
  /** The option `name`. */
  readonly name: string | undefined;
  /** Does the target go to other processes? */
  readonly isShared: boolean;
  /** Do the options have a `server` for at least some requests? */
  readonly hasServer: boolean;
}

/** Checks the options of `ticket()`. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readTicketOptions(
  options: TicketOptions,
  { name, isShared, hasServer }: TicketMaker,
): { content: TicketContent; seconds: number } {
  checkNames(options, CALL, TICKET_OPTIONS);
  // A ticket without a field permits more: without a session, `ticket({ session: req.sessionID })` must not make a ticket for every client.
  for (const [field, value] of Object.entries(options) as [string, unknown][])
    if (value === undefined)
      fail(CALL, `needs a value for ${field}: leave ${field} out if there is none`, value);
  const { user, target, session, viewOnly } = options;
  const path = OptionPath.of(CALL).key('target');
  if (target === undefined && !hasServer)
    fail(path, 'must be given: the options of the tunnel have no server', target);
  const hosts = target === undefined ? undefined : readHosts(target, path, true);
  if (isShared) {
    checkData(target, path, 'since the process that gets the request may be another one');
    if (JSON.stringify(target ?? '').length > MOST_CHARACTERS)
      fail(path, `must be at most ${MOST_CHARACTERS} characters long as JSON`, target);
  }
  const content = {
    ...{ tunnel: name, user, viewOnly },
    session: session === undefined ? undefined : hashOfSession(session),
    hosts,
    ...(isShared && { target }),
  };
  return { content, seconds: options.seconds ?? SECONDS };
}
