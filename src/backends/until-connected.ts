import type { Duplex } from 'node:stream';
import { discard } from '../streams/discard.js';
import { ignoreErrors } from '../streams/ignore-errors.js';

/** What sockets of Node say of themselves; another stream is there as soon as it exists. */
interface Connecting {
  readonly connecting?: boolean;
  readonly secureConnecting?: boolean;
}

/** Waits until a stream is connected. From now on its errors are heard by somebody: the relay looks at `destroyed`. */
export function untilConnected(stream: Duplex & Connecting, signal: AbortSignal): Promise<void> {
  ignoreErrors(stream);
  return new Promise((resolve, reject) => {
    const awaited =
      stream.secureConnecting === true ? 'secureConnect' : stream.connecting === true ? 'connect' : undefined;
    const settle = (act: () => void) => {
      if (awaited !== undefined) stream.off(awaited, onReady);
      stream.off('error', onError);
      stream.off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onReady = () => settle(resolve);
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => onError(stream.errored ?? new Error('closed before it was connected'));
    const onAbort = () => {
      settle(() => reject(signal.reason as Error));
      discard(stream);
    };
    if (signal.aborted) onAbort();
    else if (stream.destroyed) onClose();
    else if (awaited === undefined) resolve();
    else {
      stream.on(awaited, onReady);
      stream.on('error', onError);
      stream.on('close', onClose);
      signal.addEventListener('abort', onAbort);
    }
  });
}
