import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CloseClock } from '../streams/close-clock.js';
import { discard } from '../streams/discard.js';
import { Outlet } from '../streams/outlet.js';
import type { PooledReads } from '../streams/pooled-reads.js';
import { isPlain, ownsItsChunks, release, releaseAfter } from '../streams/release.js';
import { Movement, Stall } from '../streams/write-progress.js';
import { CLOSE, ORDERLY } from './close-codes.js';
import { FrameDecoder } from './decoder.js';
import {
  closeFrame,
  controlFrame,
  controlFrames,
  frameHeader,
  headerSize,
  maskedFrame,
  writeHeader,
} from './encoder.js';
import { Heartbeat } from './heartbeat.js';
import { OPCODE } from './opcodes.js';
import { Utf8Checker, wholeCharacters } from './utf8.js';

/** Times in seconds, sizes in bytes. */
export interface StreamSettings {
  /** Which end this is: `server`. A client masks what it sends, and leaves it to the server to end the connection. */
  readonly role?: 'server' | 'client';
  readonly frameType: 'binary' | 'text';
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly closeTimeout: number;
  /** See {@link CloseClock}. */
  readonly drainTimeout?: number;
  /** Memory waiting for the client above which `send` asks for a pause. */
  readonly buffered: number;
}

/** How a connection ended: the first Close or loss decides. */
export interface CloseCause {
  readonly code: number;
  readonly reason: string;
}

/** What a {@link WebSocketStream} tells. `closing`, `ended` and `closed` come once each, in this order. */
export interface StreamHandlers {
  /** Bytes from the client; the receiver's to keep. `chunk`, if given, is what may be released after them. */
  payload(bytes: Buffer, chunk: Buffer | undefined): void;
  /** The client takes more again. */
  drain(): void;
  /** The first Close was sent or received, or the connection is lost: nothing more is sent. */
  closing(cause: CloseCause): void;
  /** No more payload will come; `cause` is what is known by then. */
  ended(cause: CloseCause): void;
  /** Does the receiver of the payload still have to accept some of it? Then `delivered` or `undelivered` follows. */
  isDelivering?(): boolean;
  /** Has it accepted some since the last call? */
  delivers?(): boolean;
  /** The socket is freed. */
  closed(cause: CloseCause): void;
}

/** The longest header of a frame, with its mask. */
const MOST_HEADER = 14;

/** While the answer to a Close has to wait, so many signs of life are sent in one `closeTimeout`. */
const SIGNS = 3;

/** So many in one chunk are work enough for a turn: 64 KiB hold ten thousand, and up to 32 such chunks are read in one. */
const MANY_FRAMES = 500;

const NOTHING = new Uint8Array();
const PING = controlFrame(OPCODE.ping, NOTHING);
const PONG = controlFrame(OPCODE.pong, NOTHING);

/**
 * One end of a WebSocket connection (RFC 6455) as bare bytes both ways: frames, PING and PONG, and the closing handshake
 * on a socket that has already been upgraded. The names are those of a server, whose peer is the client.
 */
export class WebSocketStream {
  readonly #socket: Duplex;
  readonly #out: Outlet;
  readonly #settings: StreamSettings;
  readonly #handlers: StreamHandlers;
  readonly #decoder: FrameDecoder;
  // Another kind of Duplex may still hold the chunk it gave us: only a net.Socket's is ours to overwrite.
  readonly #ownsChunks: boolean;
  readonly #isPlain: boolean;
  readonly #opcode: number;
  readonly #isClient: boolean;
  readonly #peer: 'client' | 'server';
  readonly #toClient: Movement;
  readonly #stall: Stall;
  readonly #heartbeat: Heartbeat;
  readonly #closeClock: CloseClock;

  // Text mode: the character that the backend's last chunk broke off.
  readonly #checker: Utf8Checker | undefined;
  #openCharacter: Buffer = Buffer.alloc(0);

  #cause: CloseCause | undefined;
  #closeSent = false;
  #isClosed = false;
  #inputOver = false;
  #pausedForBackend = false;
  #pausedForReplies = false;
  #pausedForOthers = false;

  #received: CloseCause | undefined;
  #pongs: Buffer[] = [];
  #dropsInput = false;
  #isClosing = false;
  /** The answer to the Close that came, while payload before it is still being delivered. */
  #owed: CloseCause | undefined;
  #signTimer: NodeJS.Timeout | undefined;
  /** Something came that keeps the closing handshake alive. */
  #progresses = false;
  /** Bytes of payload, and of PINGs and Closes. */
  #sent = 0;
  #controlBytes = 0;

  constructor(socket: Duplex, settings: StreamSettings, handlers: StreamHandlers) {
    this.#socket = socket;
    this.#toClient = new Movement(socket);
    this.#stall = new Stall(socket);
    this.#out = new Outlet(socket, settings.buffered, () => this.#drained());
    this.#settings = settings;
    this.#handlers = handlers;
    this.#ownsChunks = ownsItsChunks(socket);
    this.#isPlain = isPlain(socket);
    this.#isClient = settings.role === 'client';
    this.#peer = this.#isClient ? 'server' : 'client';
    this.#opcode = settings.frameType === 'text' ? OPCODE.text : OPCODE.binary;
    this.#checker = settings.frameType === 'text' ? new Utf8Checker() : undefined;
    const control = {
      ping: (payload: Buffer) => this.#pongs.push(payload),
      pong: () => {
        if (this.#heartbeat.pong()) this.#progresses = true;
      },
      close: (code: number, reason: string) => (this.#received = { code, reason }),
    };
    this.#decoder = new FrameDecoder(control, this.#peer);
    this.#heartbeat = new Heartbeat(socket, settings, {
      written: () => this.#out.written,
      sendPing: () => this.#ping(),
      cannotHear: () => this.#pausedForBackend || this.#closeSent || this.#owed !== undefined,
      silent: () =>
        this.destroy(
          CLOSE.abnormal,
          `the ${this.#peer} was silent for ${settings.pongTimeout} s after a PING`,
        ),
    });
    const movement = new Movement(socket);
    this.#closeClock = new CloseClock(
      settings,
      () => {
        const moves = [movement.look(), this.#progresses, handlers.delivers?.()];
        this.#progresses = false;
        return moves.includes(true);
      },
      (limit) => this.#onCloseTimeout(limit),
    );
  }

  /** Begins to read; `head` is what came with the handshake. */
  start(head: Buffer): void {
    const socket = this.#socket;
    if (socket instanceof Socket) {
      socket.setTimeout(0);
      socket.setNoDelay(true);
    }
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    this.#heartbeat.start();
    if (socket.destroyed) {
      this.#onClose();
      return;
    }
    if (head.length > 0) this.#read(Buffer.from(head));
    socket.on('data', this.#onData);
    this.#flow();
  }

  /**
   * Sends bytes as one frame. False: enough is waiting, stop until `drain`. Once a Close was sent the bytes are dropped.
   * `mayRelease`: nobody else holds the bytes. `reads`: whose memory they may lie in.
   */
  send(bytes: Buffer, mayRelease = false, reads?: PooledReads): boolean {
    if (this.#closeSent || this.#owed) return true;
    // Its `close` is still to come, and a backend that makes its bytes itself would not let it.
    if (this.#socket.destroyed || this.#socket.errored) return false;
    const isText = this.#checker?.push(bytes) ?? true;
    const payload = this.#checker === undefined ? bytes : this.#cutText(bytes, isText, this.#checker);
    if (payload.length > 0) {
      this.#sent += payload.length;
      try {
        if (this.#isClient) this.#out.write(maskedFrame(this.#opcode, payload));
        else if (reads?.lends(payload)) this.#sendFrom(reads, payload);
        else this.#sendPayload(payload, mayRelease ? bytes : undefined);
      } catch (error) {
        // An app's own stream throws into our reading of the backend.
        this.#onError(error as Error);
        return true;
      }
      if (this.#socket.writableLength > 0) this.#heartbeat.queued();
    }
    if (isText) return !this.#out.full();
    this.close(CLOSE.internalError, 'the backend sent bytes that are not UTF-8');
    return true;
  }

  /** Since the last look, the client has taken of what waits for it. */
  moves(): boolean {
    return this.#toClient.look();
  }

  /** Since when the client has accepted none of the bytes queued for it; undefined where none are. */
  stalledSince(now: number): number | undefined {
    return this.#stall.since(now);
  }

  /** Of the payload that was sent, the bytes that were still queued when the connection was given up. */
  get abandoned(): number {
    return this.#out.abandoned;
  }

  /** All payload that came before the Close has been accepted by its receiver. */
  delivered(): void {
    this.#payOwed();
  }

  /** Some of it never will be: no orderly end, whatever the Close said. Returns how the connection ended. */
  undelivered(reason: string): CloseCause {
    // Of any other end the peer knows, or has caused, the loss.
    if (this.#cause === undefined || this.#cause === this.#received)
      this.#cause = { code: CLOSE.internalError, reason };
    if (this.#owed) this.#owed = { code: CLOSE.internalError, reason: this.#isClient ? '' : reason };
    this.#payOwed();
    return this.#cause;
  }

  /** Everything was sent: Close 1000. */
  finish(reason: string): void {
    if (this.#checker?.complete === false)
      this.close(CLOSE.internalError, 'the backend ended inside a character');
    else this.close(CLOSE.normal, reason);
  }

  /** Sends a Close and waits for the client's. See {@link CloseClock} for how long. */
  close(code: number, reason: string): void {
    if (this.#closeSent || this.#owed || this.#socket.destroyed) return;
    // On a slow line the Close is delivered only behind all that was sent before it. Another end is no promise of that.
    const patience = ORDERLY.includes(code) ? this.#heartbeat.secondsUnderWay() : 0;
    this.#sendClose(code, reason);
    this.#begin({ code, reason }, patience);
  }

  /** The same without that patience, and what the client still sends is dropped: who was logged out must not go on typing. */
  cutOff(code: number, reason: string): void {
    if (!this.#closeSent && !this.#owed && !this.#socket.destroyed) {
      this.#sendClose(code, reason);
      this.#begin({ code, reason });
    }
    this.#dropInput();
  }

  /** Stop reading: the backend is full. */
  pause(): void {
    if (this.#dropsInput) return;
    this.#pausedForBackend = true;
    this.#flow();
  }

  resume(): void {
    // Until now we could not hear: the next PING will tell.
    if (this.#pausedForBackend) this.#heartbeat.heard();
    this.#pausedForBackend = false;
    this.#flow();
  }

  /** Frees the socket at once. */
  destroy(code: number, reason: string): void {
    this.#cause ??= { code, reason };
    this.#free();
  }

  #free(): void {
    this.#out.abandon(MOST_HEADER, this.#controlBytes);
    discard(this.#socket);
    // Not every stream says `close`.
    if (!this.#ownsChunks) setImmediate(this.#onClose);
  }

  readonly #onData = (chunk: Buffer): void => {
    // Who else listens may keep the chunk.
    const ours = this.#ownsChunks && this.#socket.listenerCount('data') === 1;
    if (!this.#inputOver) this.#read(ours ? chunk : Buffer.from(chunk));
    else if (ours) release(chunk);
    // A stream that makes its bytes itself has no end of them: what is dropped must not keep the turn from others.
    if (this.#dropsInput && !this.#ownsChunks) this.#yieldTurn();
  };

  #read(chunk: Buffer): void {
    this.#heartbeat.heard();
    // A server may send for as long as it has not seen our Close. A client that was cut off gains nothing by going on.
    if (this.#isClient || !this.#dropsInput) this.#progresses = true;
    const bytes = this.#decoder.decode(chunk);
    if (this.#pongs.length > 0) this.#reply();
    if (this.#decoder.frames > MANY_FRAMES) this.#yieldTurn();
    if (bytes.length > 0 && !this.#dropsInput)
      this.#handlers.payload(bytes, this.#ownsChunks ? chunk : undefined);
    if (!this.#decoder.done) return;
    const { failure } = this.#decoder;
    if (failure) this.#conclude(failure, failure.reason);
    // A Close is answered with the code that came.
    else this.#conclude(this.#received ?? { code: CLOSE.noStatus, reason: '' }, '');
  }

  /** One write for all PINGs of a chunk; a client that pings and does not read is not read either. */
  #reply(): void {
    const pongs = this.#pongs;
    this.#pongs = [];
    if (this.#closeSent || this.#owed) return;
    this.#try(() => this.#out.write(controlFrames(OPCODE.pong, pongs, this.#isClient)));
    if (this.#out.full()) {
      this.#pausedForReplies = true;
      this.#flow();
    }
  }

  /** Reads on when others have had their turn. */
  #yieldTurn(): void {
    this.#pausedForOthers = true;
    this.#flow();
    setImmediate(() => {
      this.#pausedForOthers = false;
      this.#flow();
    });
  }

  /**
   * The client has said its last: its Close (RFC 6455 section 5.5.1) or what can't be followed (section 7.1.7). The server
   * ends the connection, a client waits for that unless it fails it (section 7.1.1). Reading goes on, so that unread bytes
   * don't turn our Close into a reset.
   */
  #conclude(cause: CloseCause, answer: string): void {
    const isFailed = this.#decoder.failure !== undefined;
    // The answer to our Close says that not all before it was delivered.
    if (cause.code === CLOSE.internalError && this.#closeSent && ORDERLY.includes(this.#cause?.code ?? 0))
      this.#cause = cause;
    // Answered at once, a Close would tell the client that all has arrived, while a slow backend may yet fail.
    if (!this.#closeSent && !isFailed && this.#handlers.isDelivering?.() === true)
      this.#owed = { code: cause.code, reason: answer };
    if (!this.#closeSent && !this.#owed) this.#sendClose(cause.code, answer);
    this.#begin(cause);
    if (this.#owed) this.#waitToAnswer();
    this.#endInput();
    if (!this.#owed && (!this.#isClient || isFailed)) this.#try(() => this.#socket.end());
  }

  /** The receiver of the payload has its own deadline. Signs of life keep that of the peer, and those of proxies, away. */
  #waitToAnswer(): void {
    this.#closeClock.stop();
    const sign = this.#isClient ? () => maskedFrame(OPCODE.pong, NOTHING) : () => PONG;
    this.#signTimer = setInterval(
      () => {
        if (this.#socket.writable && this.#socket.writableLength === 0)
          this.#try(() => this.#writeControl(sign()));
      },
      (this.#settings.closeTimeout / SIGNS) * 1000,
    );
  }

  #payOwed(): void {
    clearInterval(this.#signTimer);
    const owed = this.#owed;
    this.#owed = undefined;
    if (!owed || this.#isClosed) return;
    this.#sendClose(owed.code, owed.reason);
    this.#closeClock.start();
    if (!this.#isClient) this.#try(() => this.#socket.end());
  }

  readonly #onEnd = (): void => {
    this.#begin({ code: CLOSE.abnormal, reason: `the ${this.#peer} ended without a Close` });
    this.#endInput();
    // The answer to its Close can still be read.
    if (this.#owed) return;
    this.#closeSent = true;
    // Once more would make an error, with its stack, for nobody.
    if (!this.#socket.writableEnded) this.#try(() => this.#socket.end());
  };

  readonly #onError = (error: Error): void => {
    const cause = {
      code: CLOSE.abnormal,
      reason: `the ${this.#peer}'s connection failed: ${error.message}`,
    };
    // A connection that fails takes with it what was under way.
    if (this.#isUnanswered()) this.#cause = cause;
    this.#cause ??= cause;
    // Not every stream destroys itself.
    this.#free();
  };

  /** An app's own stream may throw, and where a timer calls, that would end the process. */
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#onError(error as Error);
    }
  }

  readonly #onClose = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#heartbeat.stop();
    clearInterval(this.#signTimer);
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    // An app's own stream may say `close` and live on.
    discard(socket);
    this.#closeSent = true;
    this.#begin(this.#cause ?? { code: CLOSE.abnormal, reason: `the ${this.#peer}'s connection was lost` });
    this.#closeClock.stop();
    this.#endInput();
    if (this.#cause) this.#handlers.closed(this.#cause);
  };

  #drained(): void {
    if (this.#pausedForReplies) {
      this.#pausedForReplies = false;
      this.#flow();
    }
    this.#handlers.drain();
  }

  #ping(): boolean {
    const socket = this.#socket;
    // Not every stream says `close`.
    if (socket.destroyed) setImmediate(this.#onClose);
    if (this.#closeSent || this.#owed || socket.destroyed) return false;
    this.#try(() => this.#writeControl(this.#isClient ? maskedFrame(OPCODE.ping, NOTHING) : PING));
    return true;
  }

  #writeControl(frame: Buffer): void {
    this.#controlBytes += frame.length;
    this.#socket.write(frame);
  }

  #sendClose(code: number, reason: string): void {
    this.#closeSent = true;
    if (this.#socket.writable) this.#try(() => this.#writeControl(closeFrame(code, reason, this.#isClient)));
  }

  #begin(cause: CloseCause, patience = 0): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#cause ??= cause;
    this.#closeClock.start(() => patience);
    this.#handlers.closing(this.#cause);
  }

  #onCloseTimeout(limit: string): void {
    const reason = this.#lossAt(limit);
    if (reason !== undefined) this.#cause = { code: CLOSE.abnormal, reason };
    this.#free();
  }

  /** What has not arrived when the time is over: that is no orderly end, whatever the Close said. */
  #lossAt(limit: string): string | undefined {
    const peer = this.#peer;
    if (this.#socket.writableLength > 0) return `the ${peer} did not accept what was sent within ${limit}`;
    // Nor has all arrived that the server sent before it saw our Close. (A backend has said its end by then.)
    if (this.#isClient && this.#pausedForBackend) return `what the ${peer} sent was not read within ${limit}`;
    return this.#isUnanswered() ? `the ${peer} did not answer the Close within ${limit}` : undefined;
  }

  /** Our Close says that all is well, and nothing says that the peer got what was sent before it. */
  #isUnanswered(): boolean {
    const { code = CLOSE.abnormal } = this.#cause ?? {};
    return (
      this.#closeSent &&
      this.#received === undefined &&
      // Else the answer may have come, unread.
      !this.#pausedForBackend &&
      ORDERLY.includes(code) &&
      this.#sent > 0 &&
      this.#heartbeat.unconfirmed() > 0
    );
  }

  #endInput(): void {
    this.#inputOver = true;
    this.#dropInput();
  }

  /** No more payload is handed on; its Close is still looked for. */
  #dropInput(): void {
    if (this.#dropsInput) return;
    this.#dropsInput = true;
    this.#pausedForReplies = false;
    this.#pausedForBackend = false;
    this.#flow();
    this.#handlers.ended(this.#cause ?? { code: CLOSE.abnormal, reason: '' });
  }

  /** Header and payload in two pieces, which one call writes. */
  #sendPayload(payload: Buffer, chunk: Buffer | undefined): void {
    const socket = this.#socket;
    const header = frameHeader(this.#opcode, payload.length);
    socket.cork();
    socket.write(header, this.#out.noting(header.length));
    this.#out.write(payload, this.#ownsChunks && chunk ? releaseAfter(chunk) : undefined);
    socket.uncork();
  }

  /** Out of the memory that the backend was read into: the header goes in front of the payload. */
  #sendFrom(reads: PooledReads, payload: Buffer): void {
    const frame = reads.extend(payload, headerSize(payload.length));
    writeHeader(frame, this.#opcode, payload.length);
    // Another kind of Duplex may hold what it reports as written.
    if (!this.#ownsChunks || (this.#waits() && reads.wastes(payload))) {
      this.#out.write(Buffer.from(frame));
      return;
    }
    let free: (() => void) | undefined;
    this.#out.write(frame, (error) => {
      if (!error) free?.();
    });
    if (this.#waits()) free = reads.keep();
  }

  /** May what is written be held on to? A plain socket whose queue is empty has given all of it to the kernel. */
  #waits(): boolean {
    return !this.#isPlain || this.#socket.writableLength > 0;
  }

  /** The part that ends on a character; what is cut off waits for the next chunk. */
  #cutText(bytes: Buffer, isText: boolean, checker: Utf8Checker): Buffer {
    // What came before a wrong byte is delivered.
    const good = isText ? bytes : bytes.subarray(0, checker.good);
    const whole = this.#openCharacter.length === 0 ? good : Buffer.concat([this.#openCharacter, good]);
    const cut = wholeCharacters(whole);
    this.#openCharacter = Buffer.from(whole.subarray(cut));
    return whole.subarray(0, cut);
  }

  #paused(): boolean {
    return this.#pausedForBackend || this.#pausedForReplies || this.#pausedForOthers;
  }

  #flow(): void {
    this.#try(() => {
      if (this.#paused()) this.#socket.pause();
      else this.#socket.resume();
    });
  }
}
