import { messageOf, TunnelError } from '../errors.js';
import { orAborted } from '../helpers/abort.js';

/**
 * Runs a hook of the app, and rejects with the signal's reason as soon as the signal aborts. A throw or rejection of the
 * hook refuses the request with 500; the message names the hook.
 */
export async function hook<T>(name: string, signal: AbortSignal, call: () => T | Promise<T>): Promise<T> {
  try {
    signal.throwIfAborted();
    const outcome = call();
    if (isPromise(outcome)) return await orAborted(signal, () => outcome);
    // The usual, synchronous case. The hook may have ended the request.
    signal.throwIfAborted();
    return outcome;
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error;
    // A refusal decided by a step of the opening is not a failure of the hook.
    if (error instanceof TunnelError && error.code !== 'WSTUNNEL_OPTION') throw error;
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `${name} failed: ${messageOf(error)}`, { cause: error });
  }
}

function isPromise<T>(outcome: T | Promise<T>): outcome is Promise<T> {
  return typeof (outcome as Partial<Promise<T>> | null | undefined)?.then === 'function';
}
