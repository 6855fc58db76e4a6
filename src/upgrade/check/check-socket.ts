import type { Duplex } from 'node:stream';
import { DuplexAsSocket } from '../duplex-as-socket.js';

/** The addresses and the server's name, which several connections of a client have in common. */
const COMMON = [
  ...['remoteAddress', 'remoteFamily', 'localAddress', 'localFamily', 'localPort'],
  ...['encrypted', 'alpnProtocol', 'servername'],
] as const;

/** Values of one connection alone. */
const OWN_VALUES = ['remotePort', 'authorized', 'authorizationError'];

/** Methods that return values of one connection alone, such as the client's certificate. */
const OWN_ACCESSORS = [
  ...['getPeerCertificate', 'getPeerX509Certificate', 'getCipher', 'getProtocol'],
  ...['getSession', 'isSessionReused'],
];

const ACCESSORS = ['address', 'getCertificate'];

/** Node's own fields of a server's socket, besides those that begin with an underscore or exist on each Duplex. */
const OF_NODE = ['parser', 'timeout', 'ssl', 'secureConnecting'];

type Fields = Record<string, unknown>;

/** The common values as text: equal for the connections that a login check need not tell apart. */
export function commonValues(socket: Duplex): string {
  const from = socket as unknown as Fields;
  return JSON.stringify(COMMON.map((name) => from[name]));
}

/**
 * The socket of a login check: has the addresses, the TLS accessors and the app's own properties of the tunnel's socket, has nothing to read, and drops all
 * that is written. No method reaches the tunnel's socket, except for those that only return values, and the app's own.
 */
export class CheckSocket extends DuplexAsSocket {
  /** Has the app read a value of this connection alone? Its answer may then differ for another connection of the same client. */
  wasReadAlone = false;
  readonly #onBytes: (bytes: Buffer) => void;

  /** `onBytes` is called when the app writes; the bytes are dropped. */
  constructor(tunnelSocket: Duplex, onBytes: (bytes: Buffer) => void) {
    super({ allowHalfOpen: true });
    this.#onBytes = onBytes;
    const from = tunnelSocket as unknown as Fields;
    const own = this as unknown as Fields;
    for (const name of COMMON) if (from[name] !== undefined) own[name] = from[name];
    own.server = from.server;
    const addValue = (name: string) => {
      const get = () => {
        this.wasReadAlone = true;
        return from[name];
      };
      // What the app sets during a check must not reach the tunnel's socket.
      const set = (value: unknown) =>
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      Object.defineProperty(this, name, { get, set, enumerable: true, configurable: true });
    };
    for (const name of OWN_VALUES) if (from[name] !== undefined) addValue(name);
    // A login may be that of the connection: the app has set a property, such as a user after NTLM.
    for (const name of Object.keys(tunnelSocket))
      if (!(name in this) && !name.startsWith('_') && !OF_NODE.includes(name)) addValue(name);
    const addAccessor = (name: string, onRead: () => void) => {
      const accessor = from[name];
      if (typeof accessor !== 'function') return;
      own[name] = (...args: unknown[]): unknown => {
        onRead();
        return (accessor as (...args: unknown[]) => unknown).apply(tunnelSocket, args);
      };
    };
    for (const name of ACCESSORS) addAccessor(name, () => undefined);
    for (const name of OWN_ACCESSORS) addAccessor(name, () => (this.wasReadAlone = true));
  }

  // The check has a deadline of its own.
  setTimeout(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }

  override _read(): void {
    // The client has sent no body.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
    this.#onBytes(chunk);
  }
}
