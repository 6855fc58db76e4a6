import { Duplex } from 'node:stream';

/** What apps, frameworks and access logs read from `req.socket`. */
const VALUES = [
  ...['remoteAddress', 'remoteFamily', 'remotePort', 'localAddress', 'localFamily', 'localPort'],
  ...['encrypted', 'authorized', 'authorizationError', 'alpnProtocol', 'servername', 'server'],
];

const ACCESSORS = [
  ...['address', 'getPeerCertificate', 'getPeerX509Certificate', 'getCertificate', 'getCipher'],
  ...['getProtocol', 'getSession', 'isSessionReused'],
];

type Fields = Record<string, unknown>;

/**
 * The socket of a login check: has the addresses and the TLS accessors of the tunnel's socket, has nothing to read, and drops all
 * that is written. No method reaches the tunnel's socket, except for those that only return values.
 */
export class CheckSocket extends Duplex {
  readonly connecting = false;
  readonly #onBytes: () => void;

  /** `onBytes` is called when the app writes, after the bytes are dropped. */
  constructor(tunnelSocket: Duplex, onBytes: () => void) {
    super({ allowHalfOpen: true });
    this.#onBytes = onBytes;
    const from = tunnelSocket as unknown as Fields;
    const own = this as unknown as Fields;
    for (const name of VALUES) if (from[name] !== undefined) own[name] = from[name];
    for (const name of ACCESSORS) {
      const accessor = from[name];
      if (typeof accessor === 'function')
        own[name] = (...args: unknown[]): unknown =>
          (accessor as (...args: unknown[]) => unknown).apply(tunnelSocket, args);
    }
  }

  // The check has a deadline of its own.
  setTimeout(): this {
    return this;
  }

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

  destroySoon(): void {
    this.destroy();
  }

  override _read(): void {
    // The client has sent no body.
  }

  override _write(_chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    done();
    this.#onBytes();
  }
}
