import { messageOf, TunnelError } from '../errors.js';
import { isPromise, orAborted, type AbortState } from '../helpers/abort.js';

/**
 * Runs a hook of the app, and fails with the signal's reason as soon as the signal aborts. A throw or rejection of the
 * hook refuses the request with 500; the message names the hook. Returns no promise unless the hook does.
 */
export function hook<T>(name: string, signal: AbortState, call: () => T | Promise<T>): T | Promise<T> {
  try {
    signal.throwIfAborted();
    const outcome = call();
    if (isPromise(outcome)) return settled(name, signal, outcome);
    // The usual, synchronous case. The hook may have ended the request.
    signal.throwIfAborted();
    return outcome;
  } catch (error) {
    throw failureOf(name, signal, error);
  }
}

async function settled<T>(name: string, signal: AbortState, outcome: Promise<T>): Promise<T> {
  try {
    return await orAborted(signal, () => outcome);
  } catch (error) {
    throw failureOf(name, signal, error);
  }
}

function failureOf(name: string, signal: AbortState, error: unknown): unknown {
  if (signal.aborted && error === signal.reason) return error;
  // A refusal decided by a step of the opening is not a failure of the hook.
  if (error instanceof TunnelError && error.code !== 'WSTUNNEL_OPTION') return error;
  return new TunnelError('WSTUNNEL_HOOK_FAILED', `${name} failed: ${messageOf(error)}`, { cause: error });
}
