import { CLOSE, endingOf, type Ending } from '../streams/close-causes.js';
import type { CloseCause } from '../types.js';
import { isSendable } from './close-codes.js';
import { unmaskInto, WORTHWHILE } from './mask.js';
import { MAX_CONTROL_PAYLOAD, OPCODE } from './opcodes.js';
import { simd } from './simd.js';
import { MAX_MESSAGE, type TextMessages } from './text-messages.js';
import { Utf8Checker } from './utf8.js';

/** Receives the control frames of a chunk, in order. */
export interface ControlHandlers {
  /** The receiver may keep the payload. */
  ping(payload: Buffer): void;
  pong(): void;
  /** The last frame that is decoded. `code` is CLOSE.noStatus if the frame has no code. */
  close(code: number, reason: string): void;
  /** Present if text messages are no payload: gets them. */
  readonly messages?: TextMessages;
}

const HEADER = 0;
const PAYLOAD = 1;
const CONTROL = 2;
const DONE = 3;

const NOTHING = Buffer.alloc(0);

/** Bytes: 2, 8 of extended length, 4 of masking key. */
const MAX_HEADER = 14;

/**
 * Bytes. If one call of `simd.frames` joins fewer bytes than this, other frames lie in between: the copy of the rest of the chunk
 * into the module's memory costs more than it saves, and must not be repeated for each tiny frame.
 */
const FEW = 2048;

/**
 * Decodes RFC 6455 section 5 as a stream: frames in, bare bytes out. Messages and frames are not assembled; only a partial header
 * or control frame is kept between two chunks, at most 139 bytes. The exception is {@link TextMessages}, if the handlers have such an
 * object. A client's frames must be masked, a server's frames must not (section 5.1).
 *
 * Payloads are unmasked and joined in place: no other code may use the chunk.
 */
export class FrameDecoder {
  /** The reason why the peer's bytes can't be decoded any further (RFC 6455 section 7.1.7). */
  failure: Ending | undefined;
  /** Frames that began in the last chunk, except whole binary messages, which cost next to nothing. */
  frames = 0;
  readonly #handlers: ControlHandlers;
  readonly #masked: boolean;
  #state: typeof HEADER | typeof PAYLOAD | typeof CONTROL | typeof DONE = HEADER;

  /** Created at the first header that is split between two chunks: many connections never receive such a header. */
  #header: Buffer | undefined;
  #headerLength = 0;

  #opcode = 0;
  #final = true;
  #key = 0;
  #remaining = 0;
  #phase = 0;

  // The current message: is the message fragmented, and is it text?
  #fragmented = false;
  #text: Utf8Checker | undefined;

  #control: Buffer | undefined;
  #controlLength = 0;

  /** `from`: the end whose frames are decoded. */
  constructor(handlers: ControlHandlers, from: 'client' | 'server' = 'client') {
    this.#handlers = handlers;
    this.#masked = from === 'client';
  }

  /** True after a Close frame or a failure: no more frames are decoded. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /**
   * Decodes one chunk, and overwrites the chunk. Returns the joined payloads of all data frames as a part of the chunk; bytes
   * before a failure are still returned. Collected text messages are not part of the result.
   */
  decode(chunk: Buffer): Buffer {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    let out = 0;
    let isFast = true;
    this.frames = 0;
    while (at < chunk.length) {
      if (this.#state === HEADER) {
        // Whole messages in a row need no state: a chunk may contain a thousand small messages.
        while (this.#masked && !this.#fragmented && this.#headerLength === 0) {
          const payloadAt = wholeBinary(chunk, at);
          if (payloadAt < 0) break;
          const isWorth = isFast && chunk.length - at >= WORTHWHILE;
          const next: number = simd && isWorth ? simd.frames(chunk, at, out) : at;
          if (simd && next > at) {
            isFast = next - at >= FEW;
            at = next;
            out = simd.out;
            continue;
          }
          const length = lengthAt(chunk, at);
          unmaskInto(chunk, view, out, payloadAt, length, view.getInt32(payloadAt - 4, true), 0);
          at = payloadAt + length;
          out += length;
        }
        if (at < chunk.length) at = this.#readHeader(chunk, at, out);
      } else if (this.#state === PAYLOAD) {
        const length = Math.min(this.#remaining, chunk.length - at);
        unmaskInto(chunk, view, out, at, length, this.#key, this.#phase);
        const messages = this.#text && this.#handlers.messages;
        if (this.#text?.push(chunk.subarray(out, out + length)) === false) {
          if (!messages) out += this.#text.good;
          this.#fail('not-utf8', 'text that is not UTF-8');
          break;
        }
        at += length;
        if (messages) messages.add(chunk.subarray(out, out + length));
        else out += length;
        this.#remaining -= length;
        this.#phase = (this.#phase + length) & 3;
        if (this.#remaining === 0) this.#endDataFrame(out);
      } else if (this.#state === CONTROL) {
        at = this.#readControl(chunk, at);
      } else {
        break;
      }
    }
    return chunk.subarray(0, out);
  }

  #readHeader(chunk: Buffer, from: number, out: number): number {
    // Most headers belong to small frames: a header that lies in the chunk as a whole is read in place.
    if (this.#headerLength === 0 && chunk.length - from >= MAX_HEADER) {
      const second = chunk[from + 1] ?? 0;
      if (!this.#checkStart(chunk[from] ?? 0, second)) return from + 2;
      this.#beginFrame(chunk, from, out);
      return from + headerSize(second);
    }
    let at = from;
    const header = (this.#header ??= Buffer.allocUnsafeSlow(MAX_HEADER));
    // The first two bytes determine the length of the header.
    while (at < chunk.length) {
      header[this.#headerLength++] = chunk[at++] ?? 0;
      if (this.#headerLength === 2 && !this.#checkStart(header[0] ?? 0, header[1] ?? 0)) return at;
      if (this.#headerLength >= 2 && this.#headerLength === headerSize(header[1] ?? 0)) {
        this.#headerLength = 0;
        this.#beginFrame(header, 0, out);
        return at;
      }
    }
    return at;
  }

  /** Checks the first two bytes before the rest of the header has arrived. */
  #checkStart(first: number, second: number): boolean {
    const opcode = first & 0x0f;
    const final = (first & 0x80) !== 0;
    if ((first & 0x70) !== 0) return this.#fail('protocol-error', 'reserved bits are set');
    if (((second & 0x80) !== 0) !== this.#masked)
      return this.#fail(
        'protocol-error',
        this.#masked ? 'client frames must be masked' : 'server frames must not be masked',
      );
    if (opcode >= OPCODE.close) {
      if (opcode > OPCODE.pong) return this.#fail('protocol-error', 'unknown opcode');
      if (!final) return this.#fail('protocol-error', 'a control frame may not be fragmented');
      if ((second & 0x7f) > MAX_CONTROL_PAYLOAD)
        return this.#fail('protocol-error', 'a control frame carries at most 125 bytes');
    } else {
      if (opcode > OPCODE.binary) return this.#fail('protocol-error', 'unknown opcode');
      if ((opcode === OPCODE.continuation) !== this.#fragmented)
        return this.#fail(
          'protocol-error',
          this.#fragmented
            ? 'a new message inside a fragmented one'
            : 'a continuation frame without a message',
        );
    }
    this.#opcode = opcode;
    this.#final = final;
    return true;
  }

  /** Begins a frame. The header is complete, and begins at `at`. `out`: the payload bytes of the chunk so far. */
  #beginFrame(header: Buffer, at: number, out: number): void {
    this.frames++;
    const short = (header[at + 1] ?? 0) & 0x7f;
    let length = short;
    let keyAt = at + 2;
    if (short === 126) {
      length = header.readUInt16BE(at + 2);
      keyAt = at + 4;
      if (length < 126) return void this.#fail('protocol-error', 'a length not in its shortest form');
    } else if (short === 127) {
      const high = header.readUInt32BE(at + 2);
      if (high > 0x7fffffff) return void this.#fail('protocol-error', 'a length above 2^63 - 1');
      // A Number is exact only up to 2^53; no real frame has 9 petabytes.
      if (high > 0x1fffff) return void this.#fail('frame-too-large', 'a frame above 2^53 - 1 bytes');
      length = high * 0x1_0000_0000 + header.readUInt32BE(at + 6);
      keyAt = at + 10;
      if (length < 0x10000) return void this.#fail('protocol-error', 'a length not in its shortest form');
    }
    this.#key = this.#masked ? header.readInt32LE(keyAt) : 0;
    this.#phase = 0;
    this.#remaining = length;
    if (this.#opcode >= OPCODE.close) {
      this.#state = CONTROL;
      // A new buffer would be most of the cost of an empty frame.
      this.#control = length === 0 ? NOTHING : Buffer.allocUnsafe(length);
      this.#controlLength = 0;
      if (length === 0) this.#endControlFrame(NOTHING);
      return;
    }
    if (this.#opcode === OPCODE.text) this.#text = new Utf8Checker();
    // Before the bytes have arrived: a message of a gigabyte is refused by its header.
    if (this.#text && this.#handlers.messages?.fits(length) === false)
      return void this.#fail('message-too-large', `a text message of more than ${MAX_MESSAGE} bytes`);
    this.#fragmented = !this.#final;
    this.#state = PAYLOAD;
    if (length === 0) this.#endDataFrame(out);
  }

  #endDataFrame(out: number): void {
    this.#state = HEADER;
    if (this.#fragmented || this.#text === undefined) return;
    const complete = this.#text.complete;
    this.#text = undefined;
    if (complete) this.#handlers.messages?.end(out);
    else this.#fail('not-utf8', 'text that ends inside a character');
  }

  #readControl(chunk: Buffer, at: number): number {
    const payload = this.#control ?? Buffer.alloc(0);
    const length = Math.min(payload.length - this.#controlLength, chunk.length - at);
    chunk.copy(payload, this.#controlLength, at, at + length);
    this.#controlLength += length;
    if (this.#controlLength === payload.length) this.#endControlFrame(payload);
    return at + length;
  }

  #endControlFrame(payload: Buffer): void {
    this.#control = undefined;
    this.#state = HEADER;
    // Most control frames are empty: the view that `unmaskInto` needs would cost more than the loop.
    const key = this.#key;
    for (let at = 0; at < payload.length; at++)
      payload[at] = (payload[at] ?? 0) ^ ((key >>> ((at & 3) * 8)) & 0xff);
    if (this.#opcode === OPCODE.ping) this.#handlers.ping(payload);
    else if (this.#opcode === OPCODE.pong) this.#handlers.pong();
    else this.#endWithClose(payload);
  }

  /** See RFC 6455 section 5.5.1. */
  #endWithClose(payload: Buffer): void {
    if (payload.length === 1) return void this.#fail('protocol-error', 'truncated close code');
    const code = payload.length === 0 ? CLOSE.noStatus : payload.readUInt16BE(0);
    if (payload.length > 0 && !isSendable(code))
      return void this.#fail('protocol-error', `close code ${code} may not be sent`);
    const reason = payload.subarray(2);
    const checker = new Utf8Checker();
    if (!checker.push(reason) || !checker.complete)
      return void this.#fail('not-utf8', 'a close reason that is not UTF-8');
    this.#state = DONE;
    this.#handlers.close(code, reason.toString('utf8'));
  }

  #fail(cause: CloseCause, reason: string): false {
    this.#state = DONE;
    this.failure = endingOf(cause, reason);
    return false;
  }
}

/** The payload offset of a masked, final binary frame below 64 KiB that lies in the chunk as a whole; -1 for any other frame. */
function wholeBinary(chunk: Buffer, at: number): number {
  const short = (chunk[at + 1] ?? 0) - 0x80;
  if (chunk[at] !== 0x82 || short < 0 || short > 126 || at + 6 > chunk.length) return -1;
  const length = lengthAt(chunk, at);
  // A length not in its shortest form: the full decoding reports the error.
  if (short === 126 && length < 126) return -1;
  const payloadAt = at + (short === 126 ? 8 : 6);
  return payloadAt + length <= chunk.length ? payloadAt : -1;
}

/** The length in the header at `at` of a frame below 64 KiB. */
function lengthAt(chunk: Buffer, at: number): number {
  const short = (chunk[at + 1] ?? 0) & 0x7f;
  return short === 126 ? ((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0) : short;
}

function headerSize(second: number): number {
  const short = second & 0x7f;
  const key = (second & 0x80) === 0 ? 0 : 4;
  return 2 + key + (short === 126 ? 2 : short === 127 ? 8 : 0);
}
