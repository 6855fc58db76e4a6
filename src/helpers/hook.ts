import { messageOf, TunnelError } from '../errors.js';
import { orAborted } from './abort.js';

/** Runs a hook of the user's. What it throws refuses the request with 500; what aborts the request ends the wait. */
export async function hook<T>(name: string, signal: AbortSignal, call: () => T | Promise<T>): Promise<T> {
  try {
    return await orAborted(signal, call);
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error;
    // A refusal that a step decided on, not the hook's failure.
    if (error instanceof TunnelError && error.code !== 'WSTUNNEL_OPTION') throw error;
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `${name} failed: ${messageOf(error)}`, { cause: error });
  }
}
