import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { whenCaughtUp } from '../helpers/caught-up.js';
import { discard } from '../helpers/discard.js';
import { Outlet } from '../helpers/outlet.js';
import type { PooledReads } from '../helpers/pooled-reads.js';
import { isPlain, ownsItsChunks, release, releaseAfter } from '../helpers/release.js';
import { Movement, takenMark } from '../helpers/taken.js';
import { CLOSE } from './close-codes.js';
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
  /** No more payload will come. */
  ended(): void;
  /** The socket is freed. */
  closed(cause: CloseCause): void;
}

/**
 * How many times `pongTimeout` a client may take nothing of what waits for it. The kernel takes more in bursts: on a slow
 * line minutes apart.
 */
const MAX_STALLS = 6;

/** So many in one chunk are work enough for a turn: 64 KiB hold ten thousand, and up to 32 such chunks are read in one. */
const MANY_FRAMES = 500;

const NOTHING = new Uint8Array();
const PING = controlFrame(OPCODE.ping, NOTHING);

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
  #heard = false;
  #takenAtPing = 0;
  // Since the last look for a PONG.
  #waited = false;
  #stalls = 0;
  #dropsInput = false;
  #pingTimer: NodeJS.Timeout | undefined;
  #pongTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, settings: StreamSettings, handlers: StreamHandlers) {
    this.#socket = socket;
    this.#toClient = new Movement(socket);
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
      pong: () => undefined,
      close: (code: number, reason: string) => (this.#received = { code, reason }),
    };
    this.#decoder = new FrameDecoder(control, this.#peer);
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
    if (this.#settings.pingInterval > 0)
      this.#pingTimer = setInterval(this.#ping, this.#settings.pingInterval * 1000);
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
    if (this.#closeSent) return true;
    // Its `close` is still to come, and a backend that makes its bytes itself would not let it.
    if (this.#socket.destroyed || this.#socket.errored) return false;
    const isText = this.#checker?.push(bytes) ?? true;
    const payload = this.#checker === undefined ? bytes : this.#cutText(bytes, isText, this.#checker);
    if (payload.length > 0) {
      try {
        if (this.#isClient) this.#out.write(maskedFrame(this.#opcode, payload));
        else if (reads?.lends(payload)) this.#sendFrom(reads, payload);
        else this.#sendPayload(payload, mayRelease ? bytes : undefined);
      } catch (error) {
        // An app's own stream throws into our reading of the backend.
        this.#onError(error as Error);
        return true;
      }
      // TLS says later that the kernel took it: counted at once, every line would be a slow one.
      if (this.#socket.writableLength > 0 && this.#pongTimer && !this.#waited)
        setImmediate(this.#lookForWaiting);
    }
    if (isText) return !this.#out.full();
    this.close(CLOSE.internalError, 'the backend sent bytes that are not UTF-8');
    return true;
  }

  /** Since the last look, the client has taken of what waits for it. */
  moves(): boolean {
    return this.#toClient.look();
  }

  /** Everything was sent: Close 1000. */
  finish(reason: string): void {
    if (this.#checker?.complete === false)
      this.close(CLOSE.internalError, 'the backend ended inside a character');
    else this.close(CLOSE.normal, reason);
  }

  /** Sends a Close and waits for the client's, at most `closeTimeout`. */
  close(code: number, reason: string): void {
    if (this.#closeSent || this.#socket.destroyed) return;
    this.#sendClose(code, reason);
    this.#begin({ code, reason });
  }

  /** The same, and what the client still sends is dropped: who was logged out must not go on typing. */
  cutOff(code: number, reason: string): void {
    this.close(code, reason);
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
    if (this.#pausedForBackend) this.#heard = true;
    this.#pausedForBackend = false;
    this.#flow();
  }

  /** Frees the socket at once. */
  destroy(code: number, reason: string): void {
    this.#cause ??= { code, reason };
    this.#free();
  }

  #free(): void {
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
    this.#heard = true;
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
    if (this.#closeSent) return;
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
    if (!this.#closeSent) this.#sendClose(cause.code, answer);
    this.#begin(cause);
    this.#endInput();
    if (!this.#isClient || this.#decoder.failure) this.#try(() => this.#socket.end());
  }

  readonly #onEnd = (): void => {
    this.#begin({ code: CLOSE.abnormal, reason: `the ${this.#peer} ended without a Close` });
    this.#endInput();
    this.#closeSent = true;
    // Once more would make an error, with its stack, for nobody.
    if (!this.#socket.writableEnded) this.#try(() => this.#socket.end());
  };

  readonly #onError = (error: Error): void => {
    this.#cause ??= {
      code: CLOSE.abnormal,
      reason: `the ${this.#peer}'s connection failed: ${error.message}`,
    };
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
    clearInterval(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    // An app's own stream may say `close` and live on.
    discard(socket);
    this.#closeSent = true;
    this.#begin(this.#cause ?? { code: CLOSE.abnormal, reason: `the ${this.#peer}'s connection was lost` });
    clearTimeout(this.#closeTimer);
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

  readonly #ping = (): void => {
    const socket = this.#socket;
    // Not every stream says `close`.
    if (socket.destroyed) setImmediate(this.#onClose);
    if (this.#closeSent || socket.destroyed) return;
    // On any other Duplex one more, behind what waits, would look like movement.
    if (this.#pongTimer && socket.writableLength > 0 && !(socket instanceof Socket)) return;
    this.#try(() => socket.write(this.#isClient ? maskedFrame(OPCODE.ping, NOTHING) : PING));
    if (this.#pongTimer || this.#settings.pongTimeout === 0) return;
    this.#heard = false;
    this.#stalls = 0;
    this.#awaitPong();
  };

  #awaitPong(): void {
    this.#takenAtPing = takenMark(this.#socket);
    this.#waited = this.#socket.writableLength > 0;
    this.#pongTimer = setTimeout(this.#listenForPong, this.#settings.pongTimeout * 1000);
  }

  readonly #listenForPong = (): void => {
    whenCaughtUp(() => {
      this.#pongTimer = undefined;
      // While we don't read for the backend's sake we can't hear.
      if (this.#heard || this.#pausedForBackend || this.#closeSent) return;
      // Where bytes wait, the PING waits behind them: a slow line is alive as long as it takes some now and then.
      if (this.#waited || this.#socket.writableLength > 0) {
        const moves = takenMark(this.#socket) !== this.#takenAtPing;
        this.#stalls = moves ? 0 : this.#stalls + 1;
        if (this.#stalls < MAX_STALLS) {
          this.#awaitPong();
          return;
        }
      }
      this.destroy(
        CLOSE.abnormal,
        `the ${this.#peer} was silent for ${this.#settings.pongTimeout} s after a PING`,
      );
    });
  };

  #sendClose(code: number, reason: string): void {
    this.#closeSent = true;
    if (this.#socket.writable) this.#try(() => this.#socket.write(closeFrame(code, reason, this.#isClient)));
  }

  #begin(cause: CloseCause): void {
    if (this.#closeTimer) return;
    this.#cause ??= cause;
    this.#closeTimer = setTimeout(this.#onCloseTimeout, this.#settings.closeTimeout * 1000);
    this.#handlers.closing(this.#cause);
  }

  readonly #onCloseTimeout = (): void => {
    // What was sent has not arrived: that is no orderly end, whatever the Close said.
    if (this.#socket.writableLength > 0)
      this.#cause = {
        code: CLOSE.abnormal,
        reason: `the ${this.#peer} did not take what was sent within closeTimeout`,
      };
    // Nor has all arrived that the server sent before it saw our Close. (A backend has said its end by then.)
    else if (this.#isClient && this.#pausedForBackend)
      this.#cause = {
        code: CLOSE.abnormal,
        reason: `what the ${this.#peer} sent was not read within closeTimeout`,
      };
    this.#free();
  };

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
    this.#handlers.ended();
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

  readonly #lookForWaiting = (): void => {
    this.#waited ||= this.#socket.writableLength > 0;
  };

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
