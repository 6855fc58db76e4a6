import { setTimeout as pause } from 'node:timers/promises';
import { ClientError } from '../client-error.js';

/** Seconds: the longest pause, before the random factor. */
const MAX_DELAY = 30;

export interface RetrySettings {
  readonly retryFor: number;
  readonly retryDelay: number;
}

/**
 * Repeats an attempt while a later attempt may succeed, for at most `retryFor` seconds. Each pause has a random length ("full
 * jitter"), so that a hundred clients don't reconnect to a restarted server at once. Rejects with the last failure, or with the
 * signal's reason.
 */
export async function withRetries<T>(
  { retryFor, retryDelay }: RetrySettings,
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onRetry: (error: ClientError, seconds: number) => void,
  random: () => number = Math.random,
): Promise<T> {
  const until = performance.now() + retryFor * 1000;
  for (let delay = retryDelay; ; delay = Math.min(2 * delay, MAX_DELAY)) {
    try {
      return await attempt();
    } catch (error) {
      const seconds = random() * delay;
      const isLast = performance.now() + seconds * 1000 >= until;
      if (signal.aborted || isLast || !(error instanceof ClientError && error.again)) throw error;
      onRetry(error, seconds);
      try {
        await pause(seconds * 1000, undefined, { signal });
      } catch {
        throw signal.reason;
      }
    }
  }
}
