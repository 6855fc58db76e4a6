import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import { discard } from './discard.js';
import { ignoreErrors } from './ignore-errors.js';

/** Properties of Node's sockets. A stream without these properties counts as connected. */
interface Connecting {
  readonly connecting?: boolean;
  readonly secureConnecting?: boolean;
}

/** Waits until a stream is connected. The `error` listener stays on the stream after the wait; the relay checks `destroyed`. */
export function untilConnected(stream: Duplex & Connecting, signal: AbortState): Promise<void> {
  ignoreErrors(stream);
  return new Promise((resolve, reject) => {
    const event =
      stream.secureConnecting === true ? 'secureConnect' : stream.connecting === true ? 'connect' : undefined;
    const settle = (act: () => void) => {
      if (event !== undefined) stream.off(event, onReady);
      stream.off('error', onError);
      stream.off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReady = () => settle(resolve);
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () =>
      onError(stream.errored ?? new Error('the connection was closed before it was established'));
    const onAbort = () => {
      settle(() => reject(signal.reason));
      discard(stream);
    };
    if (signal.aborted) onAbort();
    else if (stream.destroyed) onClose();
    else if (event === undefined) resolve();
    else {
      stream.on(event, onReady);
      stream.on('error', onError);
      stream.on('close', onClose);
      signal.addEventListener('abort', onAbort);
    }
  });
}
