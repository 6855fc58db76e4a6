import { messageOf, TunnelError } from '../errors.js';
import { orAborted } from '../helpers/abort.js';

/** Runs a hook of the user's. What it throws refuses the request with 500; what aborts the request ends the wait. */
export async function hook<T>(name: string, signal: AbortSignal, call: () => T | Promise<T>): Promise<T> {
  try {
    signal.throwIfAborted();
    const outcome = call();
    if (isPromise(outcome)) return await orAborted(signal, () => outcome);
    // Most hooks answer at once; one of them may have ended the request itself.
    signal.throwIfAborted();
    return outcome;
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error;
    // A refusal that a step decided on, not the hook's failure.
    if (error instanceof TunnelError && error.code !== 'WSTUNNEL_OPTION') throw error;
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `${name} failed: ${messageOf(error)}`, { cause: error });
  }
}

function isPromise<T>(outcome: T | Promise<T>): outcome is Promise<T> {
  return typeof (outcome as Partial<Promise<T>> | null | undefined)?.then === 'function';
}
