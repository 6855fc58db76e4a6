import type { Duplex } from 'node:stream';

const carriers = new WeakMap<Duplex, Duplex>();

/** Notes the connection under `stream`: the one that TLS speaks on, or the socket that is wrapped. */
export function carriedBy<Stream extends Duplex>(stream: Stream, carrier: Duplex): Stream {
  carriers.set(stream, carrier);
  return stream;
}

/** The connection that carries the stream's bytes; the stream itself where there is none under it. */
export function carrierOf(stream: Duplex): Duplex {
  return carriers.get(stream) ?? stream;
}
