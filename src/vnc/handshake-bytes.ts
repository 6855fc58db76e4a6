import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import { PooledReads } from '../streams/pooled-reads.js';

/** Most bytes of one read. */
const MOST = 65_536;

const NOTHING = Buffer.alloc(0);

/** The backend closed the connection, or the connection failed (`cause`), before all bytes of a step had arrived. */
export class HandshakeCut extends Error {}

/**
 * Exact reads from a connection, for a handshake of few bytes. The socket is read only during a wait, so that at most one read of
 * the kernel is kept in memory. Each wait ends with the signal. The socket is a socket of Node's, with or without pooled reads,
 * or a tame stream; the caller has made sure that its errors have a listener.
 */
export class HandshakeBytes {
  readonly #socket: Duplex;
  readonly #signal: AbortState;
  #unread: Buffer = NOTHING;
  #cut: HandshakeCut | undefined;
  /** Looks whether the current wait is over; undefined without a wait. */
  #check: (() => void) | undefined;

  constructor(socket: Duplex, signal: AbortState) {
    this.#socket = socket;
    this.#signal = signal;
    const reads = PooledReads.of(socket);
    // The bytes of a pooled read are valid during the call only.
    if (reads) reads.start((bytes) => this.#onData(Buffer.from(bytes)), MOST);
    else socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onEnd);
    socket.on('close', this.#onEnd);
    // A listener of `data` starts the reading, unless the socket is paused.
    socket.pause();
    if (socket.destroyed || socket.readableEnded) this.#onEnd(socket.errored ?? undefined);
  }

  /** Bytes that were read from the socket, but not taken. */
  get unread(): number {
    return this.#unread.length;
  }

  /** Do the bytes that have arrived begin with this ASCII text? */
  startsWith(text: string): boolean {
    return this.#unread.toString('latin1', 0, text.length) === text;
  }

  /** The next `length` bytes. Rejects with a {@link HandshakeCut}, or with the signal's reason. */
  async take(length: number): Promise<Buffer> {
    await this.has(length);
    return this.takeUnread(length);
  }

  async takeNumber(bytes: 1 | 2 | 4): Promise<number> {
    return (await this.take(bytes)).readUIntBE(0, bytes);
  }

  /** At most `length` bytes of those that have arrived. */
  takeUnread(length: number): Buffer {
    const taken = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(taken.length);
    return taken;
  }

  /** Waits for `length` bytes without taking them; for `most` milliseconds, after which the promise resolves to false. */
  has(length: number, most?: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', check);
        this.#check = undefined;
        this.#socket.pause();
        act();
      };
      const check = () => {
        const cut = this.#cut;
        if (this.#signal.aborted) settle(() => reject(this.#signal.reason));
        else if (this.#unread.length >= length) settle(() => resolve(true));
        else if (cut) settle(() => reject(cut));
      };
      const timer = most === undefined ? undefined : setTimeout(() => settle(() => resolve(false)), most);
      this.#check = check;
      this.#signal.addEventListener('abort', check);
      this.#socket.resume();
      check();
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Gives the paused socket back, without a listener of this object. The caller has looked at {@link unread}. */
  leave(): Duplex {
    const socket = this.#socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onEnd);
    socket.off('close', this.#onEnd);
    return socket;
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    this.#check?.();
  };

  readonly #onEnd = (error?: unknown): void => {
    this.#cut ??= new HandshakeCut(
      'the connection was closed',
      error instanceof Error ? { cause: error } : {},
    );
    this.#check?.();
  };
}
