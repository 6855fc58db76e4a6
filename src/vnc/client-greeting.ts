import { Buffer } from 'node:buffer';
import { SECURITY, securityName, type Minor } from './protocol.js';

/** The handshake of a page, up to and including ClientInit (RFC 6143 sections 7.1 and 7.3.1). */
export interface ClientGreeting {
  /** Has ClientInit passed? */
  readonly isDone: boolean;
  /** May the backend send any bytes? True also after it has refused the page: it sends the reason, then it closes. */
  readonly isOutOpen: boolean;
  /** Why the handshake can't go on. */
  readonly failure: string | undefined;
  /** The bytes of the last call of `in` that belonged to the handshake. */
  readonly used: number;
  /** Bytes of the page. Returns the bytes for the backend; the bytes from `used` on are left to the caller. */
  in(bytes: Buffer): Buffer;
  /** Bytes of the backend. Returns the bytes for the page. */
  out(bytes: Buffer): Buffer;
}

/** The version that a page may speak: exactly 3.3, 3.7 or 3.8. Servers read other numbers in different ways. */
export function minorOfClient(message: Buffer): Minor | undefined {
  const digit = /^RFB 003\.00([378])\n$/.exec(message.toString('latin1'))?.[1];
  return digit === undefined ? undefined : (Number(digit) as Minor);
}

/** A message from a peer, cut for a reason of a Close. */
export function shown(message: Buffer): string {
  return JSON.stringify(
    message
      .toString('latin1')
      .trim()
      .replace(/[^ -~]/g, '?'),
  );
}

function isFollowed(type: number): boolean {
  return type === SECURITY.none || type === SECURITY.vncAuthentication;
}

/** Why none of the types can be followed. */
export function whyNotFollowed(types: Iterable<number>): string {
  const names = [...types].slice(0, 3).map(securityName).join(', ');
  return `the VNC server asks for ${names}, which a tunnel cannot follow`;
}

/** The offered types that can be followed, as the server's message of types. */
export function followedTypes(types: Buffer): Buffer {
  const followed = types.filter(isFollowed);
  return Buffer.from([followed.length, ...followed]);
}

/** Collects the bytes of one message, which may arrive in pieces. */
export class MessageCollector {
  #bytes = Buffer.alloc(0);

  /** Adds bytes until there are `size`. Returns the message when it is complete. `used` is the end of the added bytes. */
  collect(bytes: Buffer, from: number, size: number): { used: number; message: Buffer | undefined } {
    const used = Math.min(bytes.length, from + size - this.#bytes.length);
    const all = Buffer.concat([this.#bytes, bytes.subarray(from, used)]);
    const isComplete = all.length === size;
    this.#bytes = isComplete ? Buffer.alloc(0) : all;
    return { used, message: isComplete ? all : undefined };
  }
}

export const NONE_OFFERED = Buffer.from([1, SECURITY.none]);
