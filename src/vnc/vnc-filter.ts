import { Buffer } from 'node:buffer';
import { endingOf } from '../streams/close-causes.js';
import type { FilteredTunnel, PayloadFilter } from '../streams/payload-filter.js';
import type { ClientGreeting } from './client-greeting.js';
import { ClientMessages } from './client-messages.js';
import { FollowedGreeting } from './followed-greeting.js';
import { ServedGreeting } from './served-greeting.js';

const NOTHING = Buffer.alloc(0);

/** What a client may do, and what the tunnel must know of it. */
export interface VncRights {
  /** Has the tunnel logged in to the backend? Then the filter plays the server to the page up to ClientInit. */
  readonly isLoggedIn: boolean;
  /** Removes all messages that do more than view, and forces the shared flag of ClientInit. */
  readonly viewOnly: boolean;
  /** Keeps the time of the last input. The messages must be valid, but all of them pass. */
  readonly watchesInput: boolean;
}

/**
 * The filter of a VNC tunnel (RFB, RFC 6143). What it can't read ends the tunnel with the cause `vnc-error` (1008). It keeps at most one
 * message of the handshake (256 bytes) or the head of one message of a client.
 *
 * In a `viewOnly` tunnel removed keys and pointer events also count as input: the user is present.
 */
export class VncFilter implements PayloadFilter {
  readonly #rights: VncRights;
  /** Undefined if the messages after ClientInit pass unread. */
  readonly #messages: ClientMessages | undefined;
  #tunnel: FilteredTunnel | undefined;
  /** Undefined before `start`, and after ClientInit. */
  #greeting: ClientGreeting | undefined;
  #isGreeted = false;
  #hasEnded = false;
  #lastInput: number | undefined;

  constructor(rights: VncRights) {
    this.#rights = rights;
    const { viewOnly, watchesInput } = rights;
    this.#messages = viewOnly || watchesInput ? new ClientMessages(viewOnly) : undefined;
  }

  get lastInput(): number | undefined {
    return this.#lastInput;
  }

  get isInOpen(): boolean {
    return !this.#messages && this.#isGreeted && !this.#hasEnded;
  }

  get isOutOpen(): boolean {
    return !this.#hasEnded && (this.#isGreeted || this.#greeting?.isOutOpen === true);
  }

  start(tunnel: FilteredTunnel): void {
    const { isLoggedIn, viewOnly, watchesInput } = this.#rights;
    this.#tunnel = tunnel;
    if (watchesInput) this.#lastInput = performance.now();
    if (isLoggedIn) this.#greeting = new ServedGreeting(viewOnly, (bytes) => tunnel.sendToClient(bytes));
    else if (this.#messages) this.#greeting = new FollowedGreeting(viewOnly);
    else this.#isGreeted = true;
  }

  in(bytes: Buffer): Buffer {
    if (this.#hasEnded) return NOTHING;
    const greeting = this.#greeting;
    return greeting ? this.#greet(greeting, bytes) : this.#filter(bytes);
  }

  out(bytes: Buffer): Buffer {
    if (this.#hasEnded) return NOTHING;
    const greeting = this.#greeting;
    if (!greeting || greeting.isOutOpen) return bytes;
    const greeted = greeting.out(bytes);
    if (greeting.failure !== undefined) this.#end(greeting.failure);
    return greeted;
  }

  #greet(greeting: ClientGreeting, bytes: Buffer): Buffer {
    const greeted = greeting.in(bytes);
    if (greeting.failure !== undefined) this.#end(greeting.failure);
    if (!greeting.isDone) return greeted;
    // A tunnel may be open for weeks.
    this.#greeting = undefined;
    this.#isGreeted = true;
    if (greeting.used === bytes.length) return greeted;
    return Buffer.concat([greeted, this.#filter(bytes.subarray(greeting.used))]);
  }

  #filter(bytes: Buffer): Buffer {
    const messages = this.#messages;
    if (!messages) return bytes;
    const { inputs } = messages;
    const passing = messages.in(bytes);
    if (this.#rights.watchesInput && messages.inputs !== inputs) this.#lastInput = performance.now();
    if (messages.failure !== undefined) this.#end(messages.failure);
    return passing;
  }

  #end(reason: string): void {
    this.#hasEnded = true;
    this.#tunnel?.end(endingOf('vnc-error', reason));
  }
}
