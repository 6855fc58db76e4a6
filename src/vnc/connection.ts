import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import { untilConnected } from '../streams/until-connected.js';
import { HandshakeBytes } from './handshake-bytes.js';
import { vncRefusal } from './refusals.js';

/**
 * Starts TLS on a connection, with the host's options. `anonymous`: with a server that has no certificate, see
 * {@link anonymousTls}; throws if the host's options do not allow this.
 */
export type StartTls = (socket: Duplex, kind: 'x509' | 'anonymous') => Duplex;

/** `username`: empty for none. `password`: a text counts as its UTF-8 bytes. */
export interface BackendLogin {
  readonly username: string;
  readonly password: string | Uint8Array;
}

/** The connection during a login: the bytes of the socket, later those inside TLS. */
export class LoginConnection {
  bytes: HandshakeBytes;
  isEncrypted = false;
  readonly login: BackendLogin;
  /** Undefined if the host has no `tls`. */
  readonly startTls: StartTls | undefined;
  readonly #socket: Duplex;
  readonly #signal: AbortState;
  #secured: Duplex | undefined;

  constructor(socket: Duplex, login: BackendLogin, startTls: StartTls | undefined, signal: AbortState) {
    this.bytes = new HandshakeBytes(socket, signal);
    this.login = login;
    this.startTls = startTls;
    this.#socket = socket;
    this.#signal = signal;
  }

  /** May the next bytes be a secret? The host's `tls` asks for encryption. */
  get needsTls(): boolean {
    return this.startTls !== undefined && !this.isEncrypted;
  }

  /** Resolves after the TLS handshake: earlier writes could send the password to a server with a wrong certificate. */
  async encrypt(startTls: StartTls, kind: 'x509' | 'anonymous'): Promise<void> {
    // Such bytes would count as sent inside TLS, although anybody could have added them.
    this.requireNoUnread();
    const secured = startTls(this.bytes.leave(), kind);
    this.#secured = secured;
    try {
      await untilConnected(secured, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) throw error;
      const { message } = error as Error;
      throw vncRefusal('the TLS handshake with the VNC server failed', message, error);
    }
    this.bytes = new HandshakeBytes(secured, this.#signal);
    this.isEncrypted = true;
  }

  /** Throws if the server sent bytes although it is the client's turn. */
  requireNoUnread(): void {
    if (this.bytes.unread > 0) throw vncRefusal('the VNC server sent bytes out of turn');
  }

  destroy(): void {
    this.#secured?.destroy();
    this.#socket.destroy();
  }
}
