import { isSendable } from '../frames/close-codes.js';
import { within } from '../helpers/within.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { checkText, seconds, wholeNumber } from '../options/checks/basic.js';
import { codeOf } from '../streams/close-causes.js';
import type { Tunnel } from '../types.js';
import { serverDraining } from '../upgrade/opening-attempt.js';
import type { Closable, TunnelContext } from './context.js';

/** Seconds after which `close()` destroys the connections that are still open. */
const CLOSE_TIMEOUT = 10;

/** The options of `close()`, checked and with defaults. */
export interface CloseOptions {
  /** Seconds. */
  readonly timeout: number;
  readonly code: number;
  readonly reason: string;
}

export function readCloseOptions(options: Parameters<Tunnel['close']>[0] = {}): CloseOptions {
  checkNames(options, 'close()', {
    timeout: seconds(0, 3600),
    code: wholeNumber(1000, 4999),
    reason: checkText,
  });
  const { timeout = CLOSE_TIMEOUT, code = codeOf('drain'), reason = 'the server is closing' } = options;
  checkClose(code, reason);
  return { timeout, code, reason };
}

/** Checks the close code and reason of `close()` and `end()`. */
export function checkClose(code: unknown, reason: unknown): void {
  if (typeof code !== 'number' || !Number.isInteger(code) || !isSendable(code))
    fail(
      'code',
      'must be a close code that may be sent: 1000 to 1014 except 1004 to 1006, or 3000 to 4999',
      code,
    );
  if (typeof reason !== 'string') fail('reason', 'must be a string', reason);
}

/**
 * Ends all connections of a tunnel object: refuses opening requests, sends Close to open tunnels, and destroys the remaining
 * connections after `timeout`.
 */
export async function drain(context: TunnelContext, { timeout, code, reason }: CloseOptions): Promise<void> {
  for (const { attempt } of context.opening) attempt.abort(serverDraining());
  context.logins.stop();
  for (const one of context.open) one.close(code, reason);
  // The aborted requests are refused in this event-loop turn; with `refuseWith: 'close'` their sockets
  // are in `refusing` afterwards.
  await new Promise((resolve) => setImmediate(resolve));
  if (await within(timeout, allClosed(connectionsOf(context)))) return;
  const rest = connectionsOf(context);
  for (const one of rest) one.destroy();
  await allClosed(rest);
}

function connectionsOf({ open, refusing }: TunnelContext): readonly Closable[] {
  return [...open, ...refusing];
}

function allClosed(all: readonly Closable[]): Promise<unknown> {
  return Promise.all(all.map((one) => one.untilClosed()));
}
