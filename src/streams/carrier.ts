import type { Duplex } from 'node:stream';

const CARRIER = Symbol('express-wstunnel.carrier');

/** A stream with the connection under it. A property, since each entry of a WeakMap costs every garbage collection. */
type Carried = Duplex & { [CARRIER]?: Duplex };

/** Notes the connection under `stream`: the connection that TLS runs on, or the wrapped socket. */
export function carriedBy<Stream extends Duplex>(stream: Stream, carrier: Duplex): Stream {
  (stream as Carried)[CARRIER] = carrier;
  return stream;
}

/** The connection that carries the stream's bytes, or the stream if there is no connection under it. */
export function carrierOf(stream: Duplex): Duplex {
  return (stream as Carried)[CARRIER] ?? stream;
}
