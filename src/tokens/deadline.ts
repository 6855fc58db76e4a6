import { orAborted } from '../helpers/abort.js';
import { sourceFailure } from './refusals.js';

/** Asks a store. Rejects after so many seconds, or when the request's `signal` aborts; `ask` gets a signal that aborts in both cases. */
export async function answerWithin<T>(
  seconds: number,
  signal: AbortSignal,
  name: string,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal.reason);
  const late = sourceFailure('late', `${name} did not answer within ${seconds} seconds`);
  const timer = setTimeout(() => controller.abort(late), seconds * 1000);
  signal.addEventListener('abort', onAbort);
  try {
    signal.throwIfAborted();
    return await orAborted(controller.signal, () => ask(controller.signal));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    // Stops work that is still running, such as a request whose answer nobody reads.
    controller.abort();
  }
}
