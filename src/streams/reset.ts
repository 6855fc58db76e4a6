import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from './carrier.js';

const NOTHING = Buffer.alloc(0);

/**
 * Destroys a stream in such a way that the peer can tell this end from an orderly end: a TCP connection, also under TLS, is
 * reset. A unix socket or an app's own stream has no reset, and is only destroyed.
 */
export function reset(stream: Duplex): void {
  const carrier = carrierOf(stream);
  // For a unix socket Node throws, and for a connecting socket Node waits.
  if (carrier instanceof Socket && carrier.remoteFamily !== undefined)
    try {
      carrier.resetAndDestroy();
    } catch {
      // TLS owns the handle.
    }
  stream.destroy();
}

/**
 * Calls back if the `end` of a stream was orderly. A reset with unread bytes before it is reported as an end, since libuv
 * mistakes the hang-up after the bytes for an end. The kernel still knows of the reset: even an empty write fails with
 * ECONNRESET, and `error` or `close` follows. After an orderly end the write may fail with EPIPE. TLS would not pass on an empty
 * write, so the write goes to the connection under TLS.
 */
export function ifEndIsOrderly(stream: Duplex, callback: () => void): void {
  const carrier = carrierOf(stream);
  const isIdle = stream.writable && stream.writableLength === 0 && carrier.writable;
  if (!(carrier instanceof Socket) || !isIdle) {
    callback();
    return;
  }
  try {
    carrier.write(NOTHING, (error?: NodeJS.ErrnoException | null) => {
      if (error?.code !== 'ECONNRESET') callback();
    });
  } catch {
    // A socket of an app's own class.
    callback();
  }
}
