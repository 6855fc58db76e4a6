import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { carriedBy } from './carrier.js';
import { discard } from './discard.js';
import { ignoreErrors } from './ignore-errors.js';
import { isNodeSocket } from './release.js';
import { acceptedMark, type Counted } from './write-progress.js';

/**
 * Limit of the chunks that a stream may push in one event-loop turn: a stream that generates bytes without I/O would never end
 * the turn.
 */
const MAX_CHUNKS = 16;

type Done = (error?: Error | null) => void;

/** A stream that already follows the rules of {@link tame}. */
interface Tame {
  readonly isTame?: boolean;
}

/**
 * An app's own stream may throw in any method, never emit `close` or emit `close` twice, call back twice, or push without end.
 * Relay and frames rely on a socket's rules: methods do not throw, a failure is an `error`, `close` is always emitted, and only
 * once. Node's own sockets, and our streams with `isTame`, are returned unchanged; any other stream is wrapped.
 */
export function tame(stream: Duplex): Duplex {
  if (isNodeSocket(stream) || (stream as Tame).isTame === true) return stream;
  const tamed = new TameStream(stream);
  // A socket of a derived class can be reset, and has a Nagle algorithm that can be turned off.
  return stream instanceof Socket ? carriedBy(tamed, stream) : tamed;
}

/** The app's own stream: the stream that {@link tame} has wrapped, or the given stream itself. */
export function untamed(stream: Duplex): Duplex {
  return stream instanceof TameStream ? stream.inner : stream;
}

class TameStream extends Duplex implements Tame, Counted {
  readonly isTame = true;
  readonly #inner: Duplex;
  #accepted = 0;
  /** Chunks received in this event-loop turn. */
  #chunks = 0;
  /** The stream is being read. Before the first read a failure is kept, as a socket keeps an error before a listener is added. */
  #isRead = false;
  #failure: Error | undefined;
  /** Blocks reading while false: no reader has asked for bytes. */
  #isAsked = false;
  /** Blocks reading: no bytes follow the pushed bytes. */
  #hasEnded = false;
  /** Blocks writing: the inner stream has ended or closed, and accepts no more bytes. Earlier bytes may still be unread. */
  #isGone = false;

  constructor(inner: Duplex) {
    // Asks for bytes only when no bytes are left: the inner stream has a buffer, and a second buffer is not needed.
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

  get inner(): Duplex {
    return this.#inner;
  }

  /** See {@link acceptedMark}. */
  get bytesAccepted(): number {
    const inner: Counted = this.#inner;
    return this.#accepted + (inner instanceof Socket ? acceptedMark(inner) : (inner.bytesAccepted ?? 0));
  }

  override _read(): void {
    const inner = this.#inner;
    this.#isRead = true;
    // An end or a failure may have happened before a listener was added, or without an event.
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
        // Empty writes mark a place in the queue, and are not for the app.
        const full = chunks.filter(({ chunk }) => chunk.length > 0);
        let left = full.length;
        if (left === 0) {
          once();
          return;
        }
        inner.cork();
        for (const { chunk } of full)
          inner.write(chunk, (error) => {
            if (!error) this.#accepted += chunk.length;
            if (error || --left === 0) once(error);
          });
        inner.uncork();
      });
  }

  /** Calls back once: with a thrown error, or with the result of the inner stream. */
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
    // Bytes received before the end may still be unread.
    this.#isGone = true;
    this.once('end', () => this.destroy());
  };
}

function lossOf({ errored }: Duplex): Error {
  return errored ?? new Error('the stream was destroyed');
}
