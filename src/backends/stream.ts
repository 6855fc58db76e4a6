import { Duplex } from 'node:stream';
import { TunnelError } from '../errors.js';
import { orAborted, type AbortState } from '../helpers/abort.js';
import { discard } from '../streams/discard.js';
import { ignoreErrors } from '../streams/ignore-errors.js';

// The streams already used: a stream carries one tunnel, and is never used again.
const used = new WeakSet<Duplex>();
const claimed = new WeakSet<Duplex>();

/** Gets the stream of an in-process backend from `connect`. A stream that arrives after an abort is destroyed. */
export async function takeStream(
  connect: () => Duplex | Promise<Duplex>,
  signal: AbortState,
): Promise<Duplex> {
  let stream: Duplex | undefined;
  try {
    return await orAborted(signal, async () => {
      const given = connect();
      // The stream may fail before the promise is resolved.
      if (isStream(given)) ignoreErrors(given);
      stream = ignoreErrors(checkStream(await given));
      if (signal.aborted) discard(stream);
      return stream;
    });
  } catch (error) {
    // The signal aborted after the stream arrived, and before this code ran.
    if (stream) discard(stream);
    throw error;
  }
}

/** The stream that `server` returns for one request. The stream ends with that request, whatever the outcome. */
export function claimStream(stream: Duplex): Duplex {
  if (claimed.has(stream) || used.has(stream))
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', 'server: each tunnel needs a Duplex of its own');
  claimed.add(stream);
  return ignoreErrors(stream);
}

export function isStream(value: unknown): value is Duplex {
  if (value instanceof Duplex) return true;
  const { pipe, write, destroy, readable } = (value ?? {}) as Partial<Duplex>;
  return (
    typeof readable === 'boolean' && [pipe, write, destroy].every((method) => typeof method === 'function')
  );
}

function checkStream(stream: unknown): Duplex {
  const wrong = (what: string) => new TunnelError('WSTUNNEL_HOOK_FAILED', `connect: ${what}`);
  if (!isStream(stream)) throw wrong('must give a Duplex');
  if (stream.readableObjectMode || stream.writableObjectMode)
    throw wrong('the Duplex must carry bytes, not objects');
  if (stream.readableEncoding !== null) throw wrong('the Duplex must give bytes: leave out setEncoding');
  if (used.has(stream)) throw wrong('each tunnel needs a Duplex of its own');
  used.add(stream);
  return stream;
}
