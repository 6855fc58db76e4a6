import type { Duplex } from 'node:stream';

const carriers = new WeakMap<Duplex, Duplex>();

/** Notes the connection under `stream`: the connection that TLS runs on, or the wrapped socket. */
export function carriedBy<Stream extends Duplex>(stream: Stream, carrier: Duplex): Stream {
  carriers.set(stream, carrier);
  return stream;
}

/** The connection that carries the stream's bytes, or the stream if there is no connection under it. */
export function carrierOf(stream: Duplex): Duplex {
  return carriers.get(stream) ?? stream;
}
