import { Duplex } from 'node:stream';

/** A Duplex in the place of a `net.Socket`: the methods that only a network connection needs do nothing. */
export class DuplexAsSocket extends Duplex {
  readonly connecting = false;

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
