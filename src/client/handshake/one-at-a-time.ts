import { orAborted } from '../../helpers/abort.js';
import { deferred } from '../../helpers/deferred.js';

/** By host: settles when the host's latest attempt and all earlier attempts are over. */
const latest = new Map<string, Promise<void>>();

/**
 * Opens one connection at a time to a host (RFC 6455 section 4.1): an attempt starts when the previous one has opened its
 * connection or failed. A host is known by its name, not its address, since a proxy may resolve the name. Rejects with the signal's
 * reason.
 */
export async function oneAtATime<T>(host: string, signal: AbortSignal, open: () => Promise<T>): Promise<T> {
  const previous = latest.get(host);
  const own = deferred();
  const upToHere = previous ? previous.then(() => own.promise) : own.promise;
  latest.set(host, upToHere);
  void upToHere.then(() => {
    if (latest.get(host) === upToHere) latest.delete(host);
  });
  try {
    if (previous) await orAborted(signal, () => previous);
    return await open();
  } finally {
    own.resolve();
  }
}
