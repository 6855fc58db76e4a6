import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { carrierOf } from '../streams/carrier.js';
import { endingOf, ORDERLY, type Ending } from '../streams/close-causes.js';
import type { PooledReads } from '../streams/pooled-reads.js';
import { PAUSE, ReadPauses } from '../streams/read-pauses.js';
import { isNodeSocket, release } from '../streams/release.js';
import { WriteProgress } from '../streams/write-progress.js';
import type { QueueOwner } from '../streams/write-queue.js';
import { ClosingHandshake, type ClosingConnection } from './closing-handshake.js';
import { ControlFrames, ControlFramesAndText } from './control-frames.js';
import { FrameDecoder } from './decoder.js';
import { FrameWriter, type Role } from './frame-writer.js';
import { Heartbeat, type HeartbeatConnection } from './heartbeat.js';
import { TextCutter } from './text-cutter.js';
import type { TextMessage } from './text-messages.js';

/** Times in seconds, sizes in bytes. */
export interface StreamSettings {
  /** The role of this end; default `server`. A client masks frames, and waits for the server to end the connection. */
  readonly role?: Role;
  readonly frameType: 'binary' | 'text';
  readonly pingInterval: number;
  readonly pongTimeout: number;
  /** See {@link HeartbeatSettings}. */
  readonly noteRoundTrip?: (seconds: number) => void;
  readonly closeTimeout: number;
  /** See {@link CloseClock}. */
  readonly drainTimeout?: number;
  /** Memory queued for the client above which `send` asks for a pause. */
  readonly buffered: number;
}

/** The events of a {@link WebSocketStream}. `closing`, `ended` and `closed` are emitted once each, in this order. */
export interface StreamHandlers {
  /**
   * Bytes from the client. The receiver may keep the bytes. `chunk`: the memory that may be released afterwards. `more`: another part of the
   * same chunk may follow.
   */
  payload(bytes: Buffer, chunk: Buffer | undefined, more?: boolean): void;
  /** A text message from the client, in the order of the payload. Without this function the bytes of text messages are payload. */
  message?(text: string): void;
  /** After `send` returned false: the client accepts more bytes again. */
  drain(): void;
  /** The first Close was sent or received, or the connection is lost: no more data is sent. */
  closing(ending: Ending): void;
  /** No more payload will come. `ending` is the ending known so far. */
  ended(ending: Ending): void;
  /** Writes payload gathered by the receiver. */
  flush?(): void;
  /** Is payload left that the receiver has not accepted? Then `confirmDelivery` or `failDelivery` follows. */
  isDelivering?(): boolean;
  /** Has the receiver accepted payload since the previous call? */
  sampleDelivery?(now: number): boolean;
  /** The socket is freed. */
  closed(ending: Ending): void;
}

/** With more frames than this, a chunk is enough work for an event-loop turn: 64 KiB may contain ten thousand frames. */
const MANY_FRAMES = 500;

const STREAM = Symbol('express-wstunnel.stream');

/** A socket with the stream that reads it. */
type ReadSocket = Duplex & { [STREAM]?: WebSocketStream | undefined };

/**
 * One end of a WebSocket connection (RFC 6455) as bare bytes in both directions: frames, PING and PONG, and the closing
 * handshake, on a socket that has already been upgraded. The socket is one of Node's, or a {@link tame} stream. The names are
 * written from the view of a server, whose peer is the client. The closing handshake is drawn in {@link ClosingHandshake}.
 */
export class WebSocketStream implements ClosingConnection, HeartbeatConnection, QueueOwner {
  readonly writer: FrameWriter;
  readonly pauses: ReadPauses;
  readonly closing: ClosingHandshake;
  readonly #socket: ReadSocket;
  readonly #handlers: StreamHandlers;
  readonly #isClient: boolean;
  readonly #decoder: FrameDecoder;
  readonly #text: TextCutter | undefined;
  readonly #heartbeat: Heartbeat;
  readonly #progress: WriteProgress;
  readonly #control: ControlFrames | ControlFramesAndText;
  readonly #settings: StreamSettings;

  /** Blocks payload. dropped: the receiver wants no more payload, and only a Close is looked for. over: no more frames are decoded. */
  #input: 'open' | 'dropped' | 'over' = 'open';
  /** A received chunk belongs to this object, which may overwrite and free the chunk. Any other Duplex may keep its chunks. */
  readonly #ownsChunks: boolean;

  constructor(socket: Duplex, settings: StreamSettings, handlers: StreamHandlers) {
    const { role = 'server', frameType, buffered } = settings;
    this.#socket = socket;
    this.#handlers = handlers;
    this.#isClient = role === 'client';
    this.#ownsChunks = isNodeSocket(socket);
    this.pauses = new ReadPauses(socket);
    this.#progress = new WriteProgress(socket);
    this.writer = new FrameWriter(socket, role, frameType, buffered, this);
    this.#text = frameType === 'text' ? new TextCutter() : undefined;
    this.closing = new ClosingHandshake(socket, this.writer, settings, this);
    this.#heartbeat = new Heartbeat(socket, settings, this);
    const Control = handlers.message ? ControlFramesAndText : ControlFrames;
    this.#control = new Control(this.#heartbeat, this.closing);
    this.#decoder = new FrameDecoder(this.#control, this.peer);
    this.#settings = settings;
  }

  /** Begins to read; `head` is the bytes after the opening handshake. */
  start(head: Buffer): void {
    const socket = this.#socket;
    const carrier = carrierOf(socket);
    if (carrier instanceof Socket) {
      carrier.setTimeout(0);
      carrier.setNoDelay(true);
    }
    socket[STREAM] = this;
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('end', onEnd);
    this.#heartbeat.start();
    if (socket.destroyed) {
      this.onClose();
      return;
    }
    if (head.length > 0) this.#read(Buffer.from(head));
    socket.on('data', onData);
    // A backend in `bytes` mode may have ended before the client got the 101 response.
    if (socket.readableEnded) this.onEnd();
    else this.pauses.apply();
  }

  /**
   * Sends bytes as one frame. Returns false if the queue is full: stop until `drain`. After a Close was sent the bytes are
   * dropped. `mayRelease`: no other code keeps the bytes. `reads`: the reads whose memory may contain the bytes.
   */
  send(bytes: Buffer, mayRelease = false, reads?: PooledReads): boolean {
    if (!this.closing.isOpen) return true;
    // `close` is still to come, and a backend that generates bytes without I/O would leave no turn for `close`.
    if (this.#socket.destroyed || this.#socket.errored) return false;
    const payload = this.#text ? this.#text.cut(bytes) : bytes;
    if (payload.length > 0) {
      this.writer.data(payload, mayRelease ? bytes : undefined, reads);
      if (this.#socket.writableLength > 0) this.#heartbeat.queued();
    }
    if (this.#text?.isValid === false) {
      this.close(endingOf('backend-not-utf8', 'the backend sent bytes that are not UTF-8'));
      return true;
    }
    const { queue } = this.writer;
    if (!queue.isFull) return true;
    queue.awaitDrain();
    return false;
  }

  /** Compares the queue with the previous sample. True: the client has accepted queued bytes in between. */
  sample(now: number): boolean {
    return this.#progress.sample(now);
  }

  /** The time of the earliest sample after which the client has accepted no queued bytes; undefined if no bytes are queued. */
  get stalledSince(): number | undefined {
    return this.#progress.stalledSince;
  }

  /** See {@link Heartbeat.roundTrip}. */
  get roundTrip(): number | undefined {
    return this.#heartbeat.roundTrip;
  }

  /** Is the client's connection queued for an event-loop turn? Its bytes may be unread meanwhile. */
  get awaitsTurn(): boolean {
    return this.pauses.has(PAUSE.turn);
  }

  /** Sent payload bytes that were still queued when the connection was given up. */
  get abandoned(): number {
    return this.writer.queue.abandoned;
  }

  /** The receiver has accepted all payload before the Close. */
  confirmDelivery(): void {
    this.#answer();
  }

  /** The receiver will never accept all payload: the end is not orderly, whatever the Close said. Returns how the connection ended. */
  failDelivery(reason: string): Ending {
    const ending = this.closing.failDelivery(reason);
    this.#answer();
    return ending;
  }

  /** All bytes were sent: sends Close 1000. */
  finish(reason: string): void {
    if (this.#text?.isComplete === false)
      this.close(endingOf('backend-not-utf8', 'the backend ended inside a character'));
    else this.close(endingOf('backend-ended', reason));
  }

  /** Sends a Close and waits for the client's Close. See {@link CloseClock} for the deadline. */
  close(ending: Ending): void {
    if (!this.#canSend()) return;
    // On a slow line the Close arrives after all earlier bytes. Only an orderly end promises that these bytes arrive.
    const patience = ORDERLY.includes(ending.code) ? this.#heartbeat.secondsInFlight() : 0;
    this.closing.close(ending, patience);
  }

  /**
   * Closes without patience for a slow line, and drops further payload of the client: a user who was logged out must not go on
   * typing.
   */
  cutOff(ending: Ending): void {
    if (this.#canSend()) this.closing.close(ending);
    this.#dropInput('dropped');
  }

  /** Pauses reading: the backend is full. */
  pause(): void {
    if (this.#input === 'open') this.pauses.add(PAUSE.receiver);
  }

  resume(): void {
    // While paused we can see no PONG: give the client until the next PING.
    if (this.pauses.has(PAUSE.receiver)) this.#heartbeat.heard();
    this.pauses.remove(PAUSE.receiver);
  }

  /** Frees the socket at once. */
  destroy(ending: Ending): void {
    this.closing.ending ??= ending;
    this.free();
  }

  get peer(): 'client' | 'server' {
    return this.#isClient ? 'server' : 'client';
  }

  #canSend(): boolean {
    return this.closing.isOpen && !this.#socket.destroyed;
  }

  free(): void {
    this.writer.abandon();
    this.#socket.destroy();
  }

  unconfirmed(): number {
    return this.#heartbeat.unconfirmed();
  }

  isPaused(): boolean {
    return this.pauses.has(PAUSE.receiver);
  }

  hasMoved(now: number): boolean {
    // Both functions must be called for each sample.
    return [this.sample(now), this.#handlers.sampleDelivery?.(now)].includes(true);
  }

  beganClosing(ending: Ending): void {
    this.#handlers.closing(ending);
  }

  silent(): void {
    const reason = `the ${this.peer} was silent for ${this.#settings.pongTimeout} s after a PING`;
    this.destroy(endingOf('client-silent', reason));
  }

  onData(chunk: Buffer): void {
    // Another listener may keep the chunk.
    const isOurs = this.#ownsChunks && this.#socket.listenerCount('data') === 1;
    if (this.#input !== 'over') this.#read(isOurs ? chunk : Buffer.from(chunk));
    else if (isOurs) release(chunk);
  }

  #read(chunk: Buffer): void {
    this.#heartbeat.heard();
    // A server may send until our Close has arrived there. A client that was cut off gains no time by further bytes.
    if (this.#isClient || this.#input === 'open') this.closing.isAlive = true;
    const bytes = this.#decoder.decode(chunk);
    if (this.#control.pings) this.#answerPings(this.#control.pings);
    this.pauses.spend(chunk.length, this.#decoder.frames > MANY_FRAMES);
    const messages = 'messages' in this.#control ? this.#control.messages.take() : undefined;
    if (messages) this.#deliver(bytes, messages);
    else if (bytes.length > 0 && this.#input === 'open')
      this.#handlers.payload(bytes, this.#ownsChunks ? chunk : undefined);
    if (this.#decoder.done) this.#conclude();
  }

  /** Payload and messages of a chunk, in their order. A handler may end the input. The chunk is not released: several parts share it. */
  #deliver(bytes: Buffer, messages: readonly TextMessage[]): void {
    let at = 0;
    const deliverUntil = (end: number) => {
      const more = end < bytes.length;
      if (end > at && this.#input === 'open')
        this.#handlers.payload(bytes.subarray(at, end), undefined, more);
      at = end;
    };
    for (const { text, after } of messages) {
      deliverUntil(after);
      if (this.#input === 'open') this.#handlers.message?.(text);
    }
    deliverUntil(bytes.length);
  }

  /** Answers all PINGs of a chunk in one write. Pauses reading of a client that sends PINGs and does not read the PONGs. */
  #answerPings(pings: readonly Buffer[]): void {
    this.#control.pings = undefined;
    if (!this.closing.isOpen) return;
    this.writer.pongs(pings);
    if (!this.writer.queue.isFull) return;
    this.writer.queue.awaitDrain();
    this.pauses.add(PAUSE.pongs);
  }

  drained(): void {
    if (this.pauses.has(PAUSE.pongs)) this.pauses.remove(PAUSE.pongs);
    this.#handlers.drain();
  }

  /**
   * The client has sent the last data: a Close (RFC 6455 section 5.5.1), answered with the same code, or bytes that can't be
   * decoded (section 7.1.7). The server ends the connection, and a client waits for that end unless the client fails the
   * connection (section 7.1.1). Reading continues: unread bytes would turn our Close into a reset.
   */
  #conclude(): void {
    const { failure } = this.#decoder;
    const ending = failure ?? this.closing.received ?? endingOf('client-closed', '');
    // An immediate answer would tell the client that all bytes arrived, although a slow backend may still fail.
    if (!failure) this.#handlers.flush?.();
    const isLate = !failure && this.#handlers.isDelivering?.() === true;
    this.closing.conclude(ending, failure?.reason ?? '', isLate);
    this.#dropInput('over');
    if (!this.closing.isAnswerDue && (!this.#isClient || failure)) this.#socket.end();
  }

  #answer(): void {
    if (this.closing.answer() && !this.#isClient) this.#socket.end();
  }

  /** Passes on no more payload. The peer's Close is still looked for, unless the input is over. */
  #dropInput(to: 'dropped' | 'over'): void {
    const wasOpen = this.#input === 'open';
    if (this.#input !== 'over') this.#input = to;
    if (!wasOpen) return;
    this.pauses.remove(PAUSE.receiver | PAUSE.pongs);
    this.#handlers.ended(this.closing.ending ?? endingOf('client-lost', ''));
  }

  onEnd(): void {
    this.closing.begin(endingOf('client-ended', `the ${this.peer} ended without a Close`));
    this.#dropInput('over');
    // The answer to the client's Close can still be read.
    if (this.closing.isAnswerDue) return;
    this.closing.stopSending();
    // A second end() would create an unneeded error with a stack.
    if (!this.#socket.writableEnded) this.#socket.end();
  }

  onError(error: Error): void {
    this.closing.fail(endingOf('client-lost', `the ${this.peer}'s connection failed: ${error.message}`));
    this.free();
  }

  onClose(): void {
    if (this.closing.state === 'closed') return;
    const socket = this.#socket;
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('error', onError);
    socket.off('close', onClose);
    socket[STREAM] = undefined;
    this.#heartbeat.stop();
    this.closing.stopSending();
    const ending = endingOf('client-lost', `the ${this.peer}'s connection was lost`);
    this.closing.begin(this.closing.ending ?? ending);
    this.closing.end();
    this.#dropInput('over');
    this.#handlers.closed(this.closing.ending ?? ending);
  }
}

// Listeners for all sockets: closures for each socket would cost memory.
function onData(this: ReadSocket, chunk: Buffer): void {
  this[STREAM]?.onData(chunk);
}

function onEnd(this: ReadSocket): void {
  this[STREAM]?.onEnd();
}

function onError(this: ReadSocket, error: Error): void {
  this[STREAM]?.onError(error);
}

function onClose(this: ReadSocket): void {
  this[STREAM]?.onClose();
}
