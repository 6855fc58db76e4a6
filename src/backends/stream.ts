import { Duplex } from 'node:stream';
import { TunnelError } from '../errors.js';
import { orAborted } from '../helpers/abort.js';
import { discard } from '../streams/discard.js';
import { ignoreErrors } from '../streams/ignore-errors.js';

// One stream carries one tunnel, and is never used again.
const used = new WeakSet<Duplex>();
const claimed = new WeakSet<Duplex>();

/** An in-process backend: the stream that `connect` returns. A stream that comes too late is destroyed. */
export async function takeStream(
  connect: () => Duplex | Promise<Duplex>,
  signal: AbortSignal,
): Promise<Duplex> {
  let stream: Duplex | undefined;
  try {
    return await orAborted(signal, async () => {
      const given = connect();
      // It may fail a tick from now.
      if (isStream(given)) ignoreErrors(given);
      stream = ignoreErrors(checkStream(await given));
      if (signal.aborted) discard(stream);
      return stream;
    });
  } catch (error) {
    // Aborted after the stream came, and before our turn.
    if (stream) discard(stream);
    throw error;
  }
}

/** The stream that `server` returns for one request: it ends with that request, whatever the outcome. */
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
