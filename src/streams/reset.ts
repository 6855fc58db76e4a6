import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from './carrier.js';
import { discard } from './discard.js';

/**
 * Destroys a stream so that its peer can tell it from an orderly end: a TCP connection, also one that carries TLS, is reset.
 * A unix socket and an app's own stream know no reset; they are destroyed.
 */
export function reset(stream: Duplex): void {
  const carrier = carrierOf(stream);
  // Of a unix socket Node throws; of one that is connecting it waits.
  if (carrier instanceof Socket && carrier.remoteFamily !== undefined)
    try {
      carrier.resetAndDestroy();
    } catch {
      // Its handle is TLS's own.
    }
  discard(stream);
}
