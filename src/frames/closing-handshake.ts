import type { Duplex } from 'node:stream';
import { CLOSE, endingOf, LOSSES, ORDERLY, type Ending } from '../streams/close-causes.js';
import { CloseClock, type CloseTimes } from '../streams/close-clock.js';
import type { FrameWriter } from './frame-writer.js';

/** PONGs per `closeTimeout`, sent as signs of life while the answer to a Close must wait. */
const SIGNS = 3;

/** Reasons that block sending. */
type Output =
  | { readonly is: 'open' }
  /** The answer to the peer's Close, to send once the receiver has accepted all payload before that Close. */
  | {
      readonly is: 'answer-due';
      readonly code: number;
      readonly reason: string;
      readonly signs: NodeJS.Timeout;
    }
  /** A Close was sent, or the connection is lost. */
  | { readonly is: 'over' };

const OPEN: Output = { is: 'open' };
const OVER: Output = { is: 'over' };

/** The connection to close. */
export interface ClosingConnection {
  readonly peer: 'client' | 'server';
  /** Bytes written that no PONG has confirmed. */
  unconfirmed(): number;
  /** Is reading of the peer paused because the receiver of the payload is full? */
  isPaused(): boolean;
  /** Have bytes moved, in any direction, since the previous call? */
  hasMoved(now: number): boolean;
  /** The first Close was sent or received, or the connection is lost. */
  beganClosing(ending: Ending): void;
  /** Frees the socket. */
  free(): void;
}

/**
 * The closing handshake (RFC 6455 section 7), and how the connection ended.
 *
 *     we close first                              the peer closes first
 *
 *     close()  --- Close --->                     <--- Close ---  conclude()
 *       output over; payload still comes            output open, or answer-due until the receiver
 *     <--- Close ---  conclude()                    has accepted all payload: answer()
 *     --- FIN --->                                --- Close --->
 *                                                   output over
 *                                                 --- FIN --->
 *     <--- FIN ---                                <--- FIN ---
 *     end()                                       end()
 *
 *     Each wait ends with closeTimeout (see CloseClock): the socket is destroyed. `state` is open until the first Close or loss,
 *     closing until the socket is freed, then closed. A client sends no FIN: the server ends the connection.
 */
export class ClosingHandshake {
  state: 'open' | 'closing' | 'closed' = 'open';
  /** How the connection ended: the first Close or loss, unless missing bytes are found later. */
  ending: Ending | undefined;
  /** The peer's Close. */
  received: Ending | undefined;
  /** Bytes arrived since the last sample that keep the handshake alive. */
  isAlive = false;
  #output: Output = OPEN;
  #clock: CloseClock | undefined;
  readonly #socket: Duplex;
  readonly #writer: FrameWriter;
  readonly #times: CloseTimes;
  readonly #connection: ClosingConnection;

  constructor(socket: Duplex, writer: FrameWriter, times: CloseTimes, connection: ClosingConnection) {
    this.#socket = socket;
    this.#writer = writer;
    this.#times = times;
    this.#connection = connection;
  }

  /** May frames be sent? */
  get isOpen(): boolean {
    return this.#output.is === 'open';
  }

  get isAnswerDue(): boolean {
    return this.#output.is === 'answer-due';
  }

  /** Closes from this side first. `patience`: see {@link CloseClock}. */
  close(ending: Ending, patience = 0): void {
    this.#send(ending.code, ending.reason);
    this.begin(ending, patience);
  }

  /** The connection begins to end, by a Close or by a loss. */
  begin(ending: Ending, patience = 0): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.ending ??= ending;
    this.#clock = new CloseClock(
      this.#times,
      () => this.#sample(),
      (limit) => this.#onTimeout(limit),
    );
    this.#clock.start(patience > 0 ? () => patience : undefined);
    this.#connection.beganClosing(this.ending);
  }

  /** The peer's last data: a Close, or bytes that can't be decoded. `isLate`: the answer is sent later by {@link answer}. */
  conclude(ending: Ending, answer: string, isLate: boolean): void {
    // The answer to our Close says that not all earlier bytes were delivered.
    const isComplaint = LOSSES.includes(ending.code) && this.#output === OVER;
    if (isComplaint && ORDERLY.includes(this.ending?.code ?? 0)) this.ending = ending;
    if (this.#output !== OVER) {
      if (isLate) this.#answerLater(ending.code, answer);
      else this.#send(ending.code, answer);
    }
    // After the peer's Close, a slow line is no reason to wait: a peer that keeps its connection open is cut off after `closeTimeout`.
    this.#clock?.endPatience();
    this.begin(ending);
    // The receiver of the payload has a separate deadline.
    if (this.isAnswerDue) this.#clock?.stop();
  }

  /** Sends the answer that is due. Returns false if no answer is due. */
  answer(): boolean {
    if (this.#output.is !== 'answer-due') return false;
    const { code, reason, signs } = this.#output;
    clearInterval(signs);
    this.#send(code, reason);
    this.#clock?.start();
    return true;
  }

  /** Payload before the peer's Close will never be accepted: the end is not orderly, whatever the code of the Close. */
  failDelivery(reason: string): Ending {
    const failure = endingOf('undelivered', reason);
    // In all other ends the peer knows of the loss, or has caused the loss.
    if (this.ending === undefined || this.ending === this.received) this.ending = failure;
    if (this.#output.is === 'answer-due') {
      const shown = this.#connection.peer === 'client' ? reason : '';
      this.#output = { ...this.#output, code: failure.code, reason: shown };
    }
    return this.ending;
  }

  /** The connection failed: the bytes in flight are lost. */
  fail(ending: Ending): void {
    if (this.#isUnanswered()) this.ending = ending;
    this.ending ??= ending;
  }

  /** Sends no more frames. */
  stopSending(): void {
    if (this.#output.is === 'answer-due') clearInterval(this.#output.signs);
    this.#output = OVER;
  }

  /** The socket is freed. */
  end(): void {
    this.state = 'closed';
    this.#clock?.stop();
  }

  /** Sends signs of life until the answer, so that no deadline of the peer or of a proxy passes. */
  #answerLater(code: number, reason: string): void {
    const sign = () => {
      if (this.#socket.writable && this.#socket.writableLength === 0) this.#writer.unsolicitedPong();
    };
    const signs = setInterval(sign, (this.#times.closeTimeout / SIGNS) * 1000);
    this.#output = { is: 'answer-due', code, reason, signs };
  }

  #send(code: number, reason: string): void {
    this.#output = OVER;
    if (this.#socket.writable) this.#writer.close(code, reason);
  }

  #sample(): boolean {
    const { isAlive } = this;
    this.isAlive = false;
    return this.#connection.hasMoved(performance.now()) || isAlive;
  }

  #onTimeout(limit: string): void {
    const reason = this.#lossAt(limit);
    if (reason !== undefined) this.ending = endingOf('close-timeout', reason);
    this.#connection.free();
  }

  /** The reason if bytes have not arrived at the deadline: such an end is not orderly, whatever the code of the Close. */
  #lossAt(limit: string): string | undefined {
    const { peer } = this.#connection;
    if (this.#socket.writableLength > 0) return `the ${peer} did not accept what was sent within ${limit}`;
    // Bytes that the server sent before our Close arrived there. (A backend has ended by then.)
    if (peer === 'server' && this.#connection.isPaused())
      return `what the ${peer} sent was not read within ${limit}`;
    return this.#isUnanswered() ? `the ${peer} did not answer the Close within ${limit}` : undefined;
  }

  /** Our Close says that all is well, and the peer has not confirmed the bytes before that Close. */
  #isUnanswered(): boolean {
    return (
      this.#output === OVER &&
      this.received === undefined &&
      // While paused, the answer may have arrived unread.
      !this.#connection.isPaused() &&
      ORDERLY.includes(this.ending?.code ?? CLOSE.abnormal) &&
      this.#writer.payload > 0 &&
      this.#connection.unconfirmed() > 0
    );
  }
}
