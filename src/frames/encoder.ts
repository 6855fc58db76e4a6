import { CLOSE } from '../streams/close-causes.js';
import { fitReason } from './close-codes.js';
import { nextMaskKey } from './mask-keys.js';
import { unmaskInto } from './mask.js';
import { OPCODE } from './opcodes.js';

/** The length of the header of an unmasked frame. */
export function headerSize(length: number): number {
  return length < 126 ? 2 : length < 0x10000 ? 4 : 10;
}

/** Writes the header of an unfragmented, unmasked frame in a server's form (RFC 6455 section 5.2). */
export function writeHeader(to: Buffer, opcode: number, length: number): void {
  to[0] = 0x80 | opcode;
  if (length < 126) to[1] = length;
  else if (length < 0x10000) {
    to[1] = 126;
    to[2] = length >>> 8;
    to[3] = length & 0xff;
  } else {
    to[1] = 127;
    to.writeUInt32BE(Math.floor(length / 0x1_0000_0000), 2);
    to.writeUInt32BE(length >>> 0, 6);
  }
}

/** The header of a frame without the payload. */
export function frameHeader(opcode: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(headerSize(length));
  writeHeader(header, opcode, length);
  return header;
}

/** A whole unfragmented frame in a client's form: the payload is copied and masked with a fresh key (RFC 6455 section 5.3). */
export function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const header = frameHeader(opcode, payload.length);
  const from = header.length + 4;
  const frame = Buffer.allocUnsafe(from + payload.length);
  const key = nextMaskKey();
  frame.set(header);
  frame[1] = (header[1] ?? 0) | 0x80;
  frame.writeInt32LE(key, header.length);
  frame.set(payload, from);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  unmaskInto(frame, view, from, from, payload.length, key, 0);
  return frame;
}

/** A whole control frame; `masked` if a client sends the frame. */
export function controlFrame(opcode: number, payload: Uint8Array, masked = false): Buffer {
  return controlFrames(opcode, [payload], masked);
}

/** Several control frames in one buffer: the answer to a flood of PINGs is one write. */
export function controlFrames(opcode: number, payloads: readonly Uint8Array[], masked = false): Buffer {
  if (masked) return Buffer.concat(payloads.map((payload) => maskedFrame(opcode, payload)));
  const frames = Buffer.allocUnsafe(payloads.reduce((size, { length }) => size + 2 + length, 0));
  let at = 0;
  for (const payload of payloads) {
    frames[at++] = 0x80 | opcode;
    frames[at++] = payload.length;
    if (payload.length > 0) frames.set(payload, at);
    at += payload.length;
  }
  return frames;
}

/** A Close frame; for 1005 the frame has no code. The reason is shortened to fit. */
export function closeFrame(code: number, reason: string, masked = false): Buffer {
  if (code === CLOSE.noStatus) return controlFrame(OPCODE.close, new Uint8Array(), masked);
  const text = Buffer.from(fitReason(reason));
  return controlFrame(OPCODE.close, Buffer.concat([Buffer.from([code >>> 8, code & 0xff]), text]), masked);
}
