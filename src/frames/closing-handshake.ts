import type { Duplex } from 'node:stream';
import { CLOSE, endingOf, ORDERLY, type Ending } from '../streams/close-causes.js';
import { CloseClock, type CloseTimes } from '../streams/close-clock.js';
import type { FrameWriter } from './frame-writer.js';

/** PONGs in one `closeTimeout` that are sent as signs of life while the answer to a Close has to wait. */
const SIGNS = 3;

/** What blocks sending. */
type Output =
  | { readonly is: 'open' }
  /** The peer's Close is answered with this once the receiver has accepted all payload before it. */
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

/** The connection that is closed. */
export interface ClosingConnection {
  readonly peer: 'client' | 'server';
  /** Bytes written that no PONG has confirmed. */
  unconfirmed(): number;
  /** Is the peer not read because the receiver of the payload is full? */
  isPaused(): boolean;
  /** Have bytes moved since the previous call? */
  sample(now: number): boolean;
  /** The first Close was sent or received, or the connection is lost. */
  closing(ending: Ending): void;
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
  /** How the connection ended: the first Close or loss, unless bytes turn out to be missing. */
  ending: Ending | undefined;
  /** The peer's Close. */
  received: Ending | undefined;
  /** Something came since the last sample that keeps the handshake alive. */
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

  /** We close first. `patience`: see {@link CloseClock}. */
  close(ending: Ending, patience = 0): void {
    this.#send(ending.code, ending.reason);
    this.begin(ending, patience);
  }

  /** The connection begins to end: with a Close, or with a loss. */
  begin(ending: Ending, patience = 0): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.ending ??= ending;
    this.#clock = new CloseClock(
      this.#times,
      () => this.#sample(),
      (limit) => this.#onTimeout(limit),
    );
    this.#clock.start(() => patience);
    this.#connection.closing(this.ending);
  }

  /** The peer's last word, a Close or bytes that can't be decoded. `isLate`: the answer waits for {@link answer}. */
  conclude(ending: Ending, answer: string, isLate: boolean): void {
    // The answer to our Close says that not all bytes before it were delivered.
    const isComplaint = ending.code === CLOSE.internalError && this.#output === OVER;
    if (isComplaint && ORDERLY.includes(this.ending?.code ?? 0)) this.ending = ending;
    if (this.#output !== OVER) {
      if (isLate) this.#answerLater(ending.code, answer);
      else this.#send(ending.code, answer);
    }
    this.begin(ending);
    // The receiver of the payload has a deadline of its own.
    if (this.isAnswerDue) this.#clock?.stop();
  }

  /** Sends the answer that is due. False: none is. */
  answer(): boolean {
    if (this.#output.is !== 'answer-due') return false;
    const { code, reason, signs } = this.#output;
    clearInterval(signs);
    this.#send(code, reason);
    this.#clock?.start();
    return true;
  }

  /** Payload before the peer's Close will never be accepted: no orderly end, whatever the Close said. */
  failDelivery(reason: string): Ending {
    const failure = endingOf('undelivered', reason);
    // Of any other end the peer knows, or has caused, the loss.
    if (this.ending === undefined || this.ending === this.received) this.ending = failure;
    if (this.#output.is === 'answer-due') {
      const shown = this.#connection.peer === 'client' ? reason : '';
      this.#output = { ...this.#output, code: failure.code, reason: shown };
    }
    return this.ending;
  }

  /** The connection failed: the bytes in flight are lost with it. */
  fail(ending: Ending): void {
    if (this.#isUnanswered()) this.ending = ending;
    this.ending ??= ending;
  }

  /** Nothing is sent any more. */
  stopSending(): void {
    if (this.#output.is === 'answer-due') clearInterval(this.#output.signs);
    this.#output = OVER;
  }

  /** The socket is freed. */
  end(): void {
    this.state = 'closed';
    this.#clock?.stop();
  }

  /** Signs of life keep the deadlines of the peer, and of proxies, away. */
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
    return this.#connection.sample(performance.now()) || isAlive;
  }

  #onTimeout(limit: string): void {
    const reason = this.#lossAt(limit);
    if (reason !== undefined) this.ending = endingOf('close-timeout', reason);
    this.#connection.free();
  }

  /** Bytes that have not arrived at the deadline: that is no orderly end, whatever the Close said. */
  #lossAt(limit: string): string | undefined {
    const { peer } = this.#connection;
    if (this.#socket.writableLength > 0) return `the ${peer} did not accept what was sent within ${limit}`;
    // Bytes that the server sent before it saw our Close. (A backend has sent its end by then.)
    if (peer === 'server' && this.#connection.isPaused())
      return `what the ${peer} sent was not read within ${limit}`;
    return this.#isUnanswered() ? `the ${peer} did not answer the Close within ${limit}` : undefined;
  }

  /** Our Close says that all is well, and nothing says that the peer got the bytes before it. */
  #isUnanswered(): boolean {
    return (
      this.#output === OVER &&
      this.received === undefined &&
      // Else the answer may have come, unread.
      !this.#connection.isPaused() &&
      ORDERLY.includes(this.ending?.code ?? CLOSE.abnormal) &&
      this.#writer.payload > 0 &&
      this.#connection.unconfirmed() > 0
    );
  }
}
