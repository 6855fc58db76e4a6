import type { Duplex } from 'node:stream';
import type { PooledReads } from '../streams/pooled-reads.js';
import { isNodeSocket, isPlain, releaseAfter } from '../streams/release.js';
import { WriteQueue, type QueueOwner } from '../streams/write-queue.js';
import {
  closeFrame,
  controlFrame,
  controlFrames,
  frameHeader,
  headerSize,
  maskedFrame,
  writeHeader,
} from './encoder.js';
import { OPCODE } from './opcodes.js';

export type Role = 'server' | 'client';

/** The longest header of a masked frame, in bytes. */
const MAX_HEADER = 14;

const NOTHING = new Uint8Array();
const PING = controlFrame(OPCODE.ping, NOTHING);
const PONG = controlFrame(OPCODE.pong, NOTHING);

/** Writes frames. A client masks every frame (RFC 6455 section 5.3). */
export class FrameWriter {
  /** The queue of `data` and `pongs`. PINGs, Closes and headers are written past this queue. */
  readonly queue: WriteQueue;
  /** Bytes of payload written. */
  payload = 0;
  readonly #socket: Duplex;
  readonly #isClient: boolean;
  /** The socket keeps no chunk after reporting the chunk as written. */
  readonly #ownsChunks: boolean;
  /** A plain socket: an empty queue means that the kernel has accepted all bytes. */
  readonly #isPlain: boolean;
  readonly #opcode: number;
  /** Bytes of PINGs, of PONGs without a PING, and of Closes. */
  #control = 0;

  constructor(socket: Duplex, role: Role, frameType: 'binary' | 'text', buffered: number, owner: QueueOwner) {
    this.#socket = socket;
    this.#isClient = role === 'client';
    this.#ownsChunks = isNodeSocket(socket);
    this.#isPlain = isPlain(socket);
    this.#opcode = OPCODE[frameType];
    this.queue = new WriteQueue(socket, buffered, owner);
  }

  /** Writes one data frame. `chunk`: may be released after the write. `reads`: the reads whose memory may contain the payload. */
  data(payload: Buffer, chunk: Buffer | undefined, reads: PooledReads | undefined): void {
    this.payload += payload.length;
    if (this.#isClient) this.queue.write(maskedFrame(this.#opcode, payload));
    else if (reads?.lends(payload)) this.#writeFrom(reads, payload);
    else this.#writeBehindHeader(payload, chunk);
  }

  ping(): true {
    this.#writeControl(this.#isClient ? maskedFrame(OPCODE.ping, NOTHING) : PING);
    return true;
  }

  /** Sends a PONG without a PING, as a sign of life (RFC 6455 section 5.5.3). */
  unsolicitedPong(): void {
    this.#writeControl(this.#isClient ? maskedFrame(OPCODE.pong, NOTHING) : PONG);
  }

  /** Answers PINGs with these payloads, in one write. */
  pongs(payloads: readonly Buffer[]): void {
    this.queue.write(controlFrames(OPCODE.pong, payloads, this.#isClient));
  }

  close(code: number, reason: string): void {
    this.#writeControl(closeFrame(code, reason, this.#isClient));
  }

  /** Records the number of queued payload bytes before the socket is destroyed. */
  abandon(): void {
    this.queue.abandon(MAX_HEADER, this.#control);
  }

  #writeControl(frame: Buffer): void {
    this.#control += frame.length;
    this.#socket.write(frame);
  }

  /** Writes header and payload as two pieces, which one system call writes. */
  #writeBehindHeader(payload: Buffer, chunk: Buffer | undefined): void {
    const socket = this.#socket;
    socket.cork();
    socket.write(frameHeader(this.#opcode, payload.length));
    this.queue.write(payload, chunk && this.#ownsChunks ? releaseAfter(chunk) : undefined);
    socket.uncork();
  }

  /** Writes from the memory of the backend's reads: the header goes in front of the payload. */
  #writeFrom(reads: PooledReads, payload: Buffer): void {
    const size = headerSize(payload.length);
    if (reads.isShared || !this.#ownsChunks || (this.#mayKeep() && reads.wastes(payload))) {
      const copy = Buffer.allocUnsafe(size + payload.length);
      writeHeader(copy, this.#opcode, payload.length);
      copy.set(payload, size);
      this.queue.write(copy);
      return;
    }
    const frame = reads.extend(payload, size);
    writeHeader(frame, this.#opcode, payload.length);
    let free: (() => void) | undefined;
    this.queue.write(frame, (error) => {
      if (!error) free?.();
    });
    if (this.#mayKeep()) free = reads.keep();
  }

  /** May the socket still use the written bytes? */
  #mayKeep(): boolean {
    return !this.#isPlain || this.#socket.writableLength > 0;
  }
}
