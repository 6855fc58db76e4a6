import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from './carrier.js';

const NOTHING = Buffer.alloc(0);

/**
 * Destroys a stream so that its peer can tell the end from an orderly one: a TCP connection, also one under TLS, is reset.
 * A unix socket or an app's own stream has no reset; they are destroyed.
 */
export function reset(stream: Duplex): void {
  const carrier = carrierOf(stream);
  // Node throws for a unix socket, and waits for a socket that is connecting.
  if (carrier instanceof Socket && carrier.remoteFamily !== undefined)
    try {
      carrier.resetAndDestroy();
    } catch {
      // TLS owns the handle.
    }
  stream.destroy();
}

/**
 * Calls back if the `end` of a stream was an orderly one. A reset that finds unread bytes is reported as an end (libuv takes the
 * hang-up after them for one). The kernel still knows: even an empty write fails, and `error` or `close` follows. EPIPE is
 * what an orderly end leaves behind. TLS would keep an empty write to itself: its connection is asked.
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
