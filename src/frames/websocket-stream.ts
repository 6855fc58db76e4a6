import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from '../streams/carrier.js';
import { endingOf, ORDERLY, type Ending } from '../streams/close-causes.js';
import type { PooledReads } from '../streams/pooled-reads.js';
import { isNodeSocket, release } from '../streams/release.js';
import { WriteProgress } from '../streams/write-progress.js';
import { ClosingHandshake } from './closing-handshake.js';
import { FrameDecoder } from './decoder.js';
import { FrameWriter, type Role } from './frame-writer.js';
import { Heartbeat } from './heartbeat.js';
import { PAUSE, ReadPauses } from './read-pauses.js';
import { TextCutter } from './text-cutter.js';

/** Times in seconds, sizes in bytes. */
export interface StreamSettings {
  /** Which end this is: default `server`. A client masks its frames, and leaves it to the server to end the connection. */
  readonly role?: Role;
  readonly frameType: 'binary' | 'text';
  readonly pingInterval: number;
  readonly pongTimeout: number;
  readonly closeTimeout: number;
  /** See {@link CloseClock}. */
  readonly drainTimeout?: number;
  /** Memory queued for the client above which `send` asks for a pause. */
  readonly buffered: number;
}

/** The events of a {@link WebSocketStream}. `closing`, `ended` and `closed` come once each, in this order. */
export interface StreamHandlers {
  /** Bytes from the client; the receiver's to keep. `chunk`: what may be released after them. */
  payload(bytes: Buffer, chunk: Buffer | undefined): void;
  /** After `send` returned false: the client accepts more again. */
  drain(): void;
  /** The first Close was sent or received, or the connection is lost: nothing more is sent. */
  closing(ending: Ending): void;
  /** No more payload will come. `ending` is what is known by then. */
  ended(ending: Ending): void;
  /** Writes payload that the receiver has gathered. */
  flush?(): void;
  /** Does the receiver of the payload still have to accept some of it? Then `confirmDelivery` or `failDelivery` follows. */
  isDelivering?(): boolean;
  /** Has the receiver accepted some since the previous call? */
  sampleDelivery?(now: number): boolean;
  /** The socket is freed. */
  closed(ending: Ending): void;
}

/** Frames in one chunk that are work enough for an event-loop turn: 64 KiB hold ten thousand, and Node reads up to 32 such chunks. */
const MANY_FRAMES = 500;

/**
 * One end of a WebSocket connection (RFC 6455) as bare bytes both ways: frames, PING and PONG, and the closing handshake
 * on a socket that has already been upgraded: one of Node's, or a {@link tame} stream. The names are those of a server, whose
 * peer is the client. The closing handshake is drawn in {@link ClosingHandshake}.
 */
export class WebSocketStream {
  readonly #socket: Duplex;
  readonly #handlers: StreamHandlers;
  readonly #isClient: boolean;
  readonly #decoder: FrameDecoder;
  readonly #writer: FrameWriter;
  readonly #text: TextCutter | undefined;
  readonly #heartbeat: Heartbeat;
  readonly #pauses: ReadPauses;
  readonly #progress: WriteProgress;
  readonly #closing: ClosingHandshake;

  /** What blocks payload. dropped: its receiver wants no more, and only the Close matters. over: nothing more is decoded. */
  #input: 'open' | 'dropped' | 'over' = 'open';
  /** Payloads of the PINGs in the chunk that is being decoded. */
  #pings: Buffer[] = [];
  /** A chunk that was read is nobody else's: it may be overwritten and freed. Any other Duplex may keep it. */
  readonly #ownsChunks: boolean;

  constructor(socket: Duplex, settings: StreamSettings, handlers: StreamHandlers) {
    const { role = 'server', frameType, buffered } = settings;
    this.#socket = socket;
    this.#handlers = handlers;
    this.#isClient = role === 'client';
    this.#ownsChunks = isNodeSocket(socket);
    this.#pauses = new ReadPauses(socket);
    this.#progress = new WriteProgress(socket);
    this.#writer = new FrameWriter(socket, role, frameType, buffered, () => this.#drained());
    this.#text = frameType === 'text' ? new TextCutter() : undefined;
    const control = {
      ping: (payload: Buffer) => this.#pings.push(payload),
      pong: () => {
        if (this.#heartbeat.pong()) this.#closing.isAlive = true;
      },
      close: (code: number, reason: string) => {
        this.#closing.received = endingOf('client-closed', reason, code);
      },
    };
    this.#decoder = new FrameDecoder(control, this.#peer);
    this.#closing = new ClosingHandshake(socket, this.#writer, settings, {
      peer: this.#peer,
      unconfirmed: () => this.#heartbeat.unconfirmed(),
      isPaused: () => this.#pauses.has(PAUSE.backend),
      // Each is sampled each time.
      sample: (now) => [this.sample(now), handlers.sampleDelivery?.(now)].includes(true),
      closing: (ending) => handlers.closing(ending),
      free: () => this.#free(),
    });
    this.#heartbeat = new Heartbeat(socket, settings, {
      written: () => this.#writer.queue.written,
      canPing: () => this.#canSend(),
      ping: () => this.#writer.ping(),
      isDeaf: () => this.#pauses.has(PAUSE.backend) || !this.#closing.isOpen,
      silent: () => {
        const reason = `the ${this.#peer} was silent for ${settings.pongTimeout} s after a PING`;
        this.destroy(endingOf('client-silent', reason));
      },
    });
  }

  /** Begins to read; `head` is what came with the handshake. */
  start(head: Buffer): void {
    const socket = this.#socket;
    const carrier = carrierOf(socket);
    if (carrier instanceof Socket) {
      carrier.setTimeout(0);
      carrier.setNoDelay(true);
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
    this.#pauses.apply();
  }

  /**
   * Sends bytes as one frame. False: the queue is full, stop until `drain`. After a Close was sent the bytes are dropped.
   * `mayRelease`: nobody else keeps the bytes. `reads`: whose memory they may lie in.
   */
  send(bytes: Buffer, mayRelease = false, reads?: PooledReads): boolean {
    if (!this.#closing.isOpen) return true;
    // `close` is still to come, and a backend that makes its bytes itself would leave no turn for it.
    if (this.#socket.destroyed || this.#socket.errored) return false;
    const payload = this.#text ? this.#text.cut(bytes) : bytes;
    if (payload.length > 0) {
      this.#writer.data(payload, mayRelease ? bytes : undefined, reads);
      if (this.#socket.writableLength > 0) this.#heartbeat.queued();
    }
    if (this.#text?.isValid === false) {
      this.close(endingOf('backend-not-utf8', 'the backend sent bytes that are not UTF-8'));
      return true;
    }
    const { queue } = this.#writer;
    if (!queue.isFull) return true;
    queue.awaitDrain();
    return false;
  }

  /** Compares the queue with the previous sample. True: the client has accepted queued bytes since then. */
  sample(now: number): boolean {
    return this.#progress.sample(now);
  }

  /** By the samples: since when the client has accepted none of its queued bytes; undefined where none are queued. */
  get stalledSince(): number | undefined {
    return this.#progress.stalledSince;
  }

  /** Of the payload that was sent, the bytes that were still queued when the connection was given up. */
  get abandoned(): number {
    return this.#writer.queue.abandoned;
  }

  /** The receiver has accepted all payload that came before the Close. */
  confirmDelivery(): void {
    this.#answer();
  }

  /** It never will: no orderly end, whatever the Close said. Returns how the connection ended. */
  failDelivery(reason: string): Ending {
    const ending = this.#closing.failDelivery(reason);
    this.#answer();
    return ending;
  }

  /** All bytes were sent: Close 1000. */
  finish(reason: string): void {
    if (this.#text?.isComplete === false)
      this.close(endingOf('backend-not-utf8', 'the backend ended inside a character'));
    else this.close(endingOf('backend-ended', reason));
  }

  /** Sends a Close and waits for the client's. See {@link CloseClock} for how long. */
  close(ending: Ending): void {
    if (!this.#canSend()) return;
    // On a slow line the Close arrives after all bytes sent before it. Only an orderly end promises that these arrive.
    const patience = ORDERLY.includes(ending.code) ? this.#heartbeat.secondsInFlight() : 0;
    this.#closing.close(ending, patience);
  }

  /** The same without that patience, and what the client still sends is dropped: a user who was logged out must not go on typing. */
  cutOff(ending: Ending): void {
    if (this.#canSend()) this.#closing.close(ending);
    this.#dropInput('dropped');
  }

  /** Stops reading: the backend is full. */
  pause(): void {
    if (this.#input === 'open') this.#pauses.add(PAUSE.backend);
  }

  resume(): void {
    // While paused we could see no PONG: give the client until the next PING.
    if (this.#pauses.has(PAUSE.backend)) this.#heartbeat.heard();
    this.#pauses.remove(PAUSE.backend);
  }

  /** Frees the socket at once. */
  destroy(ending: Ending): void {
    this.#closing.ending ??= ending;
    this.#free();
  }

  get #peer(): 'client' | 'server' {
    return this.#isClient ? 'server' : 'client';
  }

  #canSend(): boolean {
    return this.#closing.isOpen && !this.#socket.destroyed;
  }

  #free(): void {
    this.#writer.abandon();
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    // Another listener may keep the chunk.
    const isOurs = this.#ownsChunks && this.#socket.listenerCount('data') === 1;
    if (this.#input !== 'over') this.#read(isOurs ? chunk : Buffer.from(chunk));
    else if (isOurs) release(chunk);
  };

  #read(chunk: Buffer): void {
    this.#heartbeat.heard();
    // A server may send until it has seen our Close. A client that was cut off gains nothing by going on.
    if (this.#isClient || this.#input === 'open') this.#closing.isAlive = true;
    const bytes = this.#decoder.decode(chunk);
    if (this.#pings.length > 0) this.#answerPings();
    if (this.#decoder.frames > MANY_FRAMES) this.#pauses.yieldTurn();
    if (bytes.length > 0 && this.#input === 'open')
      this.#handlers.payload(bytes, this.#ownsChunks ? chunk : undefined);
    if (this.#decoder.done) this.#conclude();
  }

  /** One write for all PINGs of a chunk. A client that sends PINGs and does not read is not read either. */
  #answerPings(): void {
    const pings = this.#pings;
    this.#pings = [];
    if (!this.#closing.isOpen) return;
    this.#writer.pongs(pings);
    if (!this.#writer.queue.isFull) return;
    this.#writer.queue.awaitDrain();
    this.#pauses.add(PAUSE.pongs);
  }

  #drained(): void {
    if (this.#pauses.has(PAUSE.pongs)) this.#pauses.remove(PAUSE.pongs);
    this.#handlers.drain();
  }

  /**
   * The client has sent its last: a Close (RFC 6455 section 5.5.1), answered with the code that came, or bytes that can't be
   * decoded (section 7.1.7). The server ends the connection, and a client waits for that unless it fails the connection
   * (section 7.1.1). Reading goes on: unread bytes would turn our Close into a reset.
   */
  #conclude(): void {
    const { failure } = this.#decoder;
    const ending = failure ?? this.#closing.received ?? endingOf('client-closed', '');
    // Answered at once, a Close would tell the client that all has arrived, while a slow backend may yet fail.
    if (!failure) this.#handlers.flush?.();
    const isLate = !failure && this.#handlers.isDelivering?.() === true;
    this.#closing.conclude(ending, failure?.reason ?? '', isLate);
    this.#dropInput('over');
    if (!this.#closing.isAnswerDue && (!this.#isClient || failure)) this.#socket.end();
  }

  #answer(): void {
    if (this.#closing.answer() && !this.#isClient) this.#socket.end();
  }

  /** No more payload is handed on; the peer's Close is still looked for, unless the input is over. */
  #dropInput(to: 'dropped' | 'over'): void {
    const wasOpen = this.#input === 'open';
    if (this.#input !== 'over') this.#input = to;
    if (!wasOpen) return;
    this.#pauses.remove(PAUSE.backend | PAUSE.pongs);
    this.#handlers.ended(this.#closing.ending ?? endingOf('client-lost', ''));
  }

  readonly #onEnd = (): void => {
    this.#closing.begin(endingOf('client-ended', `the ${this.#peer} ended without a Close`));
    this.#dropInput('over');
    // The answer to its Close can still be read.
    if (this.#closing.isAnswerDue) return;
    this.#closing.stopSending();
    // A second end() would make an error, with its stack, for nobody.
    if (!this.#socket.writableEnded) this.#socket.end();
  };

  readonly #onError = (error: Error): void => {
    this.#closing.fail(endingOf('client-lost', `the ${this.#peer}'s connection failed: ${error.message}`));
    this.#free();
  };

  readonly #onClose = (): void => {
    if (this.#closing.state === 'closed') return;
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    this.#heartbeat.stop();
    this.#closing.stopSending();
    const ending = endingOf('client-lost', `the ${this.#peer}'s connection was lost`);
    this.#closing.begin(this.#closing.ending ?? ending);
    this.#closing.end();
    this.#dropInput('over');
    this.#handlers.closed(this.#closing.ending ?? ending);
  };
}
