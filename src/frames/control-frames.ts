import { endingOf } from '../streams/close-causes.js';
import type { ClosingHandshake } from './closing-handshake.js';
import type { ControlHandlers } from './decoder.js';
import type { Heartbeat } from './heartbeat.js';
import { TextMessages } from './text-messages.js';

/** Passes PONGs on to the heartbeat and Closes to the closing handshake, and collects PINGs. */
export class ControlFrames implements ControlHandlers {
  /** Payloads of the PINGs in the current chunk; undefined if there are none. */
  pings: Buffer[] | undefined;
  readonly #heartbeat: Heartbeat;
  readonly #closing: ClosingHandshake;

  constructor(heartbeat: Heartbeat, closing: ClosingHandshake) {
    this.#heartbeat = heartbeat;
    this.#closing = closing;
  }

  ping(payload: Buffer): void {
    (this.pings ??= []).push(payload);
  }

  pong(): void {
    if (this.#heartbeat.pong()) this.#closing.isAlive = true;
  }

  close(code: number, reason: string): void {
    this.#closing.received = endingOf('client-closed', reason, code);
  }
}

/** The same, and collects text messages. A class of its own, so that other connections have no field for it. */
export class ControlFramesAndText extends ControlFrames {
  readonly messages = new TextMessages();
}
