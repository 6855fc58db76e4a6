import { Buffer } from 'node:buffer';
import * as greeting from './client-greeting.js';
import { SECURITY, VERSION_LENGTH, type Minor } from './protocol.js';

const NOTHING = Buffer.alloc(0);

/**
 * Plays the server to a page after the tunnel has logged in to the backend: offers 3.8 and only the type None. The page may send its whole
 * handshake at once, since no answer depends on the backend. The backend gets ClientInit as its next byte, and is silent before.
 */
export class ServedGreeting implements greeting.ClientGreeting {
  isDone = false;
  failure: string | undefined;
  used = 0;

  readonly #viewOnly: boolean;
  readonly #sendToClient: (bytes: Buffer) => void;
  readonly #collector = new greeting.MessageCollector();
  #next: 'version' | 'type' | 'init' = 'version';
  #minor: Minor = 8;

  constructor(viewOnly: boolean, sendToClient: (bytes: Buffer) => void) {
    this.#viewOnly = viewOnly;
    this.#sendToClient = sendToClient;
    sendToClient(Buffer.from('RFB 003.008\n'));
  }

  get isOutOpen(): boolean {
    return this.isDone;
  }

  in(bytes: Buffer): Buffer {
    this.used = 0;
    let init: Buffer = NOTHING;
    while (this.used < bytes.length && !this.isDone && this.failure === undefined) {
      const size = this.#next === 'version' ? VERSION_LENGTH : 1;
      const { used, message } = this.#collector.collect(bytes, this.used, size);
      this.used = used;
      if (message) init = this.#read(message);
    }
    return init;
  }

  out(bytes: Buffer): Buffer {
    if (this.isDone) return bytes;
    this.failure ??= 'the VNC server sent bytes before ClientInit';
    return NOTHING;
  }

  /** Returns ClientInit. */
  #read(message: Buffer): Buffer {
    if (this.#next === 'init') {
      this.isDone = true;
      // A view-only client must not disconnect others.
      return this.#viewOnly ? Buffer.from([1]) : message;
    }
    if (this.#next === 'version') this.#readVersion(message);
    else this.#readType(message[0]);
    return NOTHING;
  }

  #readVersion(message: Buffer): void {
    const minor = greeting.minorOfClient(message);
    if (minor === undefined) {
      this.failure = `the client speaks ${greeting.shown(message)}, not RFB 3.3, 3.7 or 3.8`;
      return;
    }
    this.#minor = minor;
    // In 3.3 the server decides, and sends the type as a U32.
    this.#next = minor === 3 ? 'init' : 'type';
    this.#sendToClient(minor === 3 ? Buffer.from([0, 0, 0, SECURITY.none]) : greeting.NONE_OFFERED);
  }

  #readType(type: number | undefined): void {
    if (type !== SECURITY.none) {
      this.failure = `the client chose security type ${type}, which was not offered`;
      return;
    }
    this.#next = 'init';
    // SecurityResult: OK. In 3.7 there is none after the type None (RFC 6143 appendix A.2).
    if (this.#minor === 8) this.#sendToClient(Buffer.alloc(4));
  }
}
