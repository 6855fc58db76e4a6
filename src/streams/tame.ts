import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { carriedBy } from './carrier.js';
import { discard } from './discard.js';
import { ignoreErrors } from './ignore-errors.js';
import { isNodeSocket } from './release.js';
import { acceptedMark, type Counted } from './write-progress.js';

/** Chunks that a stream may push in one event-loop turn: a stream that makes its bytes itself would never leave the turn. */
const MAX_CHUNKS = 16;

type Done = (error?: Error | null) => void;

/** A stream that keeps the rules of {@link tame} by itself. */
interface Tame {
  readonly isTame?: boolean;
}

/**
 * An app's own stream may throw in any method, never emit `close` or emit it twice, call back twice, or push without end.
 * Relay and frames rely on a socket's rules: methods do not throw, a failure is an `error`, `close` comes once and surely.
 * Node's own sockets, and streams of ours that say `isTame`, are returned as they are; any other stream is wrapped.
 */
export function tame(stream: Duplex): Duplex {
  if (isNodeSocket(stream) || (stream as Tame).isTame === true) return stream;
  const tamed = new TameStream(stream);
  // A socket of a derived class can be reset, and has a Nagle algorithm to turn off.
  return stream instanceof Socket ? carriedBy(tamed, stream) : tamed;
}

class TameStream extends Duplex implements Tame, Counted {
  readonly isTame = true;
  readonly #inner: Duplex;
  #accepted = 0;
  /** Chunks that came in this event-loop turn. */
  #chunks = 0;
  /** Somebody reads: before that a failure is kept, as a socket keeps an error that nobody has seen. */
  #isRead = false;
  #failure: Error | undefined;
  /** Blocks reading: nobody has asked for bytes. */
  #isAsked = false;
  /** Blocks reading: no bytes follow those that were pushed. */
  #hasEnded = false;
  /** Blocks writing: the inner stream ended, closed, and takes nothing any more. Bytes read before that may still be unread. */
  #isGone = false;

  constructor(inner: Duplex) {
    // Asks for bytes only when none are left: the inner stream has a buffer, and a second one is not needed.
    super({ readableHighWaterMark: 1 });
    this.#inner = ignoreErrors(inner);
    ignoreErrors(this);
    this.#try(() => inner.pause());
    inner.on('data', this.#onData);
    inner.on('end', this.#onEnd);
    inner.on('error', this.#onError);
    inner.on('close', this.#onClose);
    if (inner.destroyed) this.destroy(inner.errored ?? undefined);
  }

  /** See {@link acceptedMark}. */
  get bytesAccepted(): number {
    const inner: Counted = this.#inner;
    return this.#accepted + (inner instanceof Socket ? acceptedMark(inner) : (inner.bytesAccepted ?? 0));
  }

  override _read(): void {
    const inner = this.#inner;
    this.#isRead = true;
    // An end or a failure may have come before anybody listened, or without an event.
    if (inner.readableEnded) this.#onEnd();
    else if (this.#failure ?? inner.errored) this.destroy(this.#failure ?? lossOf(inner));
    else if (inner.destroyed) this.destroy(lossOf(inner));
    else {
      this.#isAsked = true;
      if (this.#chunks < MAX_CHUNKS) this.#try(() => inner.resume());
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#write([{ chunk }], done);
  }

  override _writev(chunks: readonly { chunk: Buffer }[], done: Done): void {
    this.#write(chunks, done);
  }

  override _final(done: Done): void {
    const inner = this.#inner;
    if (this.#isGone || inner.destroyed || inner.writableEnded) done();
    else this.#attempt(done, (once) => inner.end(once));
  }

  override _destroy(error: Error | null, done: Done): void {
    const inner = this.#inner;
    inner.off('data', this.#onData);
    inner.off('end', this.#onEnd);
    inner.off('error', this.#onError);
    inner.off('close', this.#onClose);
    discard(inner, error ?? undefined);
    done(error);
  }

  #write(chunks: readonly { chunk: Buffer }[], done: Done): void {
    const inner = this.#inner;
    if (this.#isGone || inner.writableEnded) done();
    else if (inner.destroyed) done(lossOf(inner));
    else
      this.#attempt(done, (once) => {
        let left = chunks.length;
        inner.cork();
        for (const { chunk } of chunks)
          inner.write(chunk, (error) => {
            if (!error) this.#accepted += chunk.length;
            if (error || --left === 0) once(error);
          });
        inner.uncork();
      });
  }

  /** Calls back once: with what is thrown, or as the inner stream does. */
  #attempt(done: Done, act: (once: Done) => void): void {
    let isDone = false;
    const once: Done = (error) => {
      if (isDone) return;
      isDone = true;
      done(error);
    };
    try {
      act(once);
    } catch (error) {
      once(error as Error);
    }
  }

  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#isAsked = this.push(chunk);
    if (this.#chunks++ === 0) setImmediate(this.#onTurn);
    if (!this.#isAsked || this.#chunks >= MAX_CHUNKS) this.#try(() => this.#inner.pause());
  };

  readonly #onTurn = (): void => {
    const wasBusy = this.#chunks >= MAX_CHUNKS;
    this.#chunks = 0;
    if (wasBusy && this.#isAsked && !this.destroyed) this.#try(() => this.#inner.resume());
  };

  readonly #onEnd = (): void => {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.#failure = error;
    if (this.#isRead) this.destroy(error);
  };

  readonly #onClose = (): void => {
    const isRead = !this.#hasEnded || this.readableEnded;
    if (isRead || this.writableLength > 0) {
      this.destroy(this.#inner.errored ?? undefined);
      return;
    }
    // What came before the end is still to be read.
    this.#isGone = true;
    this.once('end', () => this.destroy());
  };
}

function lossOf({ errored }: Duplex): Error {
  return errored ?? new Error('the stream was destroyed');
}
