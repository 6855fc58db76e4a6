import { Buffer } from 'node:buffer';
import * as greeting from './client-greeting.js';
import { CHALLENGE_LENGTH, minorOf, SECURITY, VERSION_LENGTH, type Minor } from './protocol.js';

const NOTHING = Buffer.alloc(0);

/** The messages of the handshake, each with its sender and size. */
const STEPS = {
  serverVersion: { from: 'server', size: VERSION_LENGTH },
  clientVersion: { from: 'client', size: VERSION_LENGTH },
  /** In 3.3 the server decides. */
  decidedType: { from: 'server', size: 4 },
  typeCount: { from: 'server', size: 1 },
  offeredTypes: { from: 'server', size: 0 },
  chosenType: { from: 'client', size: 1 },
  challenge: { from: 'server', size: CHALLENGE_LENGTH },
  response: { from: 'client', size: CHALLENGE_LENGTH },
  result: { from: 'server', size: 4 },
  clientInit: { from: 'client', size: 1 },
} as const;

/**
 * Follows the handshake between a page and the backend. Each message passes when it is complete, and only in its turn: bytes of a page
 * that arrive earlier end the tunnel, since the backend could read them as a different message. No known client sends bytes early.
 */
export class FollowedGreeting implements greeting.ClientGreeting {
  isDone = false;
  failure: string | undefined;
  used = 0;

  readonly #viewOnly: boolean;
  readonly #collector = new greeting.MessageCollector();
  #step: keyof typeof STEPS = 'serverVersion';
  #isRefused = false;
  #serverMinor: Minor = 3;
  #minor: Minor = 3;
  #typeCount = 0;
  #offered: Buffer = NOTHING;

  constructor(viewOnly: boolean) {
    this.#viewOnly = viewOnly;
  }

  get isOutOpen(): boolean {
    return this.isDone || this.#isRefused;
  }

  in(bytes: Buffer): Buffer {
    this.used = 0;
    // After a refusal no byte is expected, and none passes.
    return this.#isRefused ? NOTHING : this.#follow('client', bytes);
  }

  out(bytes: Buffer): Buffer {
    return this.#follow('server', bytes);
  }

  #follow(from: 'client' | 'server', bytes: Buffer): Buffer {
    const passing: Buffer[] = [];
    let at = 0;
    while (at < bytes.length && !this.isOutOpen && this.failure === undefined) {
      const { from: expected, size } = STEPS[this.#step];
      if (expected !== from) {
        this.failure = `the ${from === 'server' ? 'VNC server' : 'client'} sent bytes before its turn in the handshake`;
        break;
      }
      const wanted = this.#step === 'offeredTypes' ? this.#typeCount : size;
      const { used, message } = this.#collector.collect(bytes, at, wanted);
      at = used;
      if (message) passing.push(this.#read(message));
    }
    // The reason of a refusal.
    if (from === 'server' && this.isOutOpen) passing.push(bytes.subarray(at));
    if (from === 'client') this.used = at;
    return passing.length === 1 && passing[0] ? passing[0] : Buffer.concat(passing);
  }

  /** Reads a message, and sets the next step. Returns the bytes that pass. */
  #read(message: Buffer): Buffer {
    switch (this.#step) {
      case 'serverVersion':
        return this.#readServerVersion(message);
      case 'clientVersion':
        return this.#readClientVersion(message);
      case 'decidedType':
        return this.#readDecidedType(message);
      case 'typeCount':
        this.#typeCount = message[0] ?? 0;
        this.#step = 'offeredTypes';
        this.#isRefused = this.#typeCount === 0;
        // The types pass when they are known.
        return this.#isRefused ? message : NOTHING;
      case 'offeredTypes':
        return this.#readOfferedTypes(message);
      case 'chosenType':
        return this.#readChosenType(message);
      case 'challenge':
        this.#step = 'response';
        return message;
      case 'response':
        this.#step = 'result';
        return message;
      case 'result':
        this.#step = 'clientInit';
        this.#isRefused = message.readUInt32BE(0) !== 0;
        return message;
      case 'clientInit':
        this.isDone = true;
        // A view-only client must not disconnect others.
        return this.#viewOnly ? Buffer.from([1]) : message;
    }
  }

  #readServerVersion(message: Buffer): Buffer {
    const minor = minorOf(message);
    if (minor === undefined)
      return this.#fail(`the backend is not a VNC server: it sent ${greeting.shown(message)}`);
    this.#serverMinor = minor;
    this.#step = 'clientVersion';
    return message;
  }

  #readClientVersion(message: Buffer): Buffer {
    const minor = greeting.minorOfClient(message);
    if (minor === undefined || minor > this.#serverMinor)
      return this.#fail(
        `the client speaks ${greeting.shown(message)} to a VNC server of version 3.${this.#serverMinor}`,
      );
    this.#minor = minor;
    this.#step = minor === 3 ? 'decidedType' : 'typeCount';
    return message;
  }

  #readDecidedType(message: Buffer): Buffer {
    const type = message.readUInt32BE(0);
    this.#isRefused = type === 0;
    if (!this.#isRefused && !this.#follows(type)) return this.#fail(greeting.whyNotFollowed([type]));
    return message;
  }

  /** Only the types that can be followed are offered to the page. */
  #readOfferedTypes(message: Buffer): Buffer {
    this.#offered = greeting.followedTypes(message);
    if (this.#offered.length === 1) return this.#fail(greeting.whyNotFollowed(message));
    this.#step = 'chosenType';
    return this.#offered;
  }

  #readChosenType(message: Buffer): Buffer {
    const type = message[0] ?? 0;
    if (!this.#offered.subarray(1).includes(type) || !this.#follows(type))
      return this.#fail(`the client chose security type ${type}, which was not offered`);
    return message;
  }

  /** Goes to the first step of a type. Returns false for other types than None and VNC authentication. */
  #follows(type: number): boolean {
    if (type === SECURITY.vncAuthentication) this.#step = 'challenge';
    // Before 3.8 there is no SecurityResult after the type None (RFC 6143 appendix A).
    else if (type === SECURITY.none) this.#step = this.#minor === 8 ? 'result' : 'clientInit';
    else return false;
    return true;
  }

  #fail(reason: string): Buffer {
    this.failure = reason;
    return NOTHING;
  }
}
