import type { Duplex } from 'node:stream';

const carriers = new WeakMap<Duplex, Duplex>();

/** Remembers the connection that TLS speaks on. */
export function carriedBy<Stream extends Duplex>(secured: Stream, transport: Duplex): Stream {
  carriers.set(secured, transport);
  return secured;
}

/** What carries the stream's bytes: under TLS its connection, else the stream itself. */
export function carrierOf(stream: Duplex): Duplex {
  return carriers.get(stream) ?? stream;
}
