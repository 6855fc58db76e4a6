import { orAborted } from '../../helpers/abort.js';

/** Whoever came last to a host: settled when he and all before him are done. */
const last = new Map<string, Promise<void>>();

/**
 * One connection at a time to a host is opened (RFC 6455 section 4.1): the next one waits until the one before is open or
 * has failed. Hosts are told apart by name, since a proxy resolves it. Rejects with the signal's reason.
 */
export async function oneAtATime<T>(host: string, signal: AbortSignal, open: () => Promise<T>): Promise<T> {
  const before = last.get(host);
  let leave: () => void = () => undefined;
  const own = new Promise<void>((resolve) => (leave = resolve));
  const upToHere = before ? before.then(() => own) : own;
  last.set(host, upToHere);
  void upToHere.then(() => {
    if (last.get(host) === upToHere) last.delete(host);
  });
  try {
    if (before) await orAborted(signal, () => before);
    return await open();
  } finally {
    leave();
  }
}
