import type { Duplex } from 'node:stream';
import { CLOSE, endingOf, LOSSES, ORDERLY, type Ending } from '../streams/close-causes.js';
import { CloseClock, type CloseTimes } from '../streams/close-clock.js';
import { PAUSE } from '../streams/read-pauses.js';
import { reset } from '../streams/reset.js';
import { closeFrame } from './encoder.js';
import type { FrameWay } from './frame-way.js';
import type { Heartbeat } from './heartbeat.js';

/** The connections of a {@link FramePassage}, in the view of their closing. */
export interface ClosingPassage {
  readonly client: Duplex;
  readonly backend: Duplex;
  /** From the client to the backend. */
  readonly up: FrameWay;
  /** From the backend to the client. */
  readonly down: FrameWay;
  readonly heartbeat: Heartbeat;
  readonly lastPayload: number;
  /** Samples both queues. True: a peer has accepted queued bytes since the previous call. */
  sampleQueues(now: number): boolean;
  /** Destroys the client's socket. */
  freeClient(): void;
  /** Destroys the backend's socket. `reason`: why the backend gives no orderly end. */
  freeBackend(reason?: string): void;
  /** The first Close was passed on or sent, or a connection is lost. */
  closingBegan(): void;
}

/** Milliseconds before a reset, which drops bytes that the kernel has not sent yet: by then, a backend that reads has all bytes. */
const RESET_DELAY = 500;

/** The causes for which the backend gets Close 1000: the app ended the tunnel. With any other cause the backend gets 1001. */
const ENDED_BY_POLICY: readonly string[] = [
  'ended-by-app',
  'replaced',
  'login-ended',
  'user-changed',
  'login-unclear',
  'rights-changed',
];

const NOTHING = Buffer.alloc(0);

/** How a {@link FramePassage} ends: who closes first, the tunnel's own Closes, lost connections, and the deadlines of all these. */
export class PassageClosing {
  isClientGone = false;
  isBackendGone = false;
  readonly #passage: ClosingPassage;
  readonly #settings: CloseTimes;
  /** How the tunnel ended: the first Close or loss, unless missing bytes are found later. */
  #ending: Ending | undefined;
  #clock: CloseClock | undefined;
  /** Bytes arrived since the last sample that keep the closing alive. */
  #isAlive = false;
  /** The client's Close was passed to the backend, which has not answered with a Close yet. */
  #isAnswerDue = false;
  /** The Close for the client, until the end of the current frame. */
  #lastFrame: Buffer = NOTHING;
  /** The tunnel itself ends the connection to the backend, and does not wait for the backend's Close. */
  #endsBackend = false;
  /** The frames to the backend were cut off inside a frame. */
  #isTruncated = false;
  #isResetDue = false;
  #resetTimer: NodeJS.Timeout | undefined;
  #hasClientEnded = false;
  #hasBackendEnded = false;

  constructor(passage: ClosingPassage, settings: CloseTimes) {
    this.#passage = passage;
    this.#settings = settings;
  }

  /** Undefined until a Close was passed on or sent, or a connection is lost. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Bytes arrived: the deadline starts again. */
  noteBytes(): void {
    this.#isAlive = true;
  }

  begin(ending: Ending, patience = 0): void {
    if (this.#ending) return;
    this.#ending = ending;
    this.#clock = new CloseClock(
      this.#settings,
      () => this.#sample(),
      (limit) => this.#onTimeout(limit),
    );
    this.#clock.start(patience > 0 ? () => patience : undefined);
    this.#passage.closingBegan();
  }

  stopClock(): void {
    this.#clock?.stop();
  }

  stopReset(): void {
    clearTimeout(this.#resetTimer);
  }

  /** Sends a Close to the client. The client's frames pass until the client's Close. */
  close(ending: Ending): void {
    const { down, client } = this.#passage;
    if (down.output !== 'open' || client.destroyed) return;
    this.begin(ending);
    this.#endDown(ending.code, ending.reason);
  }

  /** Sends a Close to both sides. From now on no byte of the client reaches the backend. */
  cutOff(ending: Ending): void {
    this.close(ending);
    this.#cutUp();
    this.#settle();
  }

  /** Is the client's Close the answer to a Close of the tunnel? The tunnel sends the backend a Close of its own. */
  get isAnswered(): boolean {
    const { down } = this.#passage;
    return down.output !== 'open' && !down.follower.closed;
  }

  /** At a boundary of frames to the client. Returns false if no Close of the tunnel is due. */
  sendLastFrame(): boolean {
    const { down } = this.#passage;
    if (down.output !== 'ending') return false;
    down.output = 'over';
    down.put(this.#lastFrame);
    this.#clock?.start();
    this.#settle();
    return true;
  }

  /** The client's last frame. Reading continues: unread bytes would turn our Close into a reset. */
  clientConcluded(): void {
    const { up, down } = this.#passage;
    const { failure, closed } = up.follower;
    if (failure) this.cutOff(failure);
    if (!closed) return;
    const isRemoved = this.isAnswered;
    this.#noteClose(endingOf('client-closed', closed.reason, closed.code));
    if (isRemoved) this.#cutUp();
    else if (up.output === 'open') {
      up.output = 'over';
      this.#isAnswerDue = down.output === 'open';
    }
    this.#settle();
  }

  /** The backend's last frame. */
  backendConcluded(): void {
    const { down, heartbeat } = this.#passage;
    const { failure, closed } = down.follower;
    if (failure) this.failBackend(`the backend broke RFC 6455: ${failure.reason}`);
    if (!closed) return;
    // On a slow line the Close arrives after all earlier bytes. Only an orderly end promises that these bytes arrive.
    const patience = ORDERLY.includes(closed.code) ? heartbeat.secondsInFlight() : 0;
    this.#noteClose(endingOf('backend-closed', closed.reason, closed.code), patience);
    this.#isAnswerDue = false;
    if (down.output === 'open') down.output = 'over';
    this.#settle();
  }

  /** The client will send no Close of its own. */
  loseClient(ending: Ending): void {
    const { up, down } = this.#passage;
    this.#hasClientEnded = true;
    if (!up.follower.closed) {
      this.begin(ending);
      down.output = 'over';
      this.#cutUp();
    }
    this.#settle();
  }

  failClient(ending: Ending): void {
    // The bytes in flight are lost.
    if (this.#isUnanswered()) this.#ending = ending;
    this.begin(ending);
    this.#passage.freeClient();
  }

  endBackend(): void {
    this.#hasBackendEnded = true;
    this.failBackend('the backend ended without a Close');
    this.#settle();
  }

  /** The backend will send no Close of its own. */
  failBackend(reason: string): void {
    const { client, down } = this.#passage;
    // After a Close an end is expected.
    if (down.follower.closed) return;
    if (this.#isAnswerDue) this.#ending = endingOf('undelivered', reason);
    this.#isAnswerDue = false;
    this.begin(endingOf('backend-failed', reason));
    if (down.output === 'open' && down.isAtBoundary) this.#endDown(CLOSE.internalError, reason);
    else if (down.output !== 'over') {
      // A Close would become a part of the frame.
      down.output = 'over';
      if (this.#ending) this.#ending = { ...this.#ending, code: CLOSE.abnormal };
      if (client.writable) client.end();
    }
    this.#cutUp();
    this.#settle();
  }

  #noteClose(ending: Ending, patience = 0): void {
    // The answer to a Close says that not all earlier bytes were delivered.
    if (this.#ending && LOSSES.includes(ending.code) && ORDERLY.includes(this.#ending.code))
      this.#ending = ending;
    this.begin(ending, patience);
  }

  /** Sends a Close to the client, after the rest of the current frame. */
  #endDown(code: number, reason: string): void {
    const { down } = this.#passage;
    this.#lastFrame = closeFrame(code, reason);
    if (down.isAtBoundary) {
      down.output = 'over';
      down.put(this.#lastFrame);
    } else {
      down.output = 'ending';
      down.awaitBoundary();
    }
  }

  /** From now on no byte of the client reaches the backend. The backend gets a Close if possible. */
  #cutUp(): void {
    const { up } = this.#passage;
    if (up.output !== 'open') return;
    up.output = 'over';
    this.#endsBackend = true;
    // The client's Close must be seen.
    up.resume();
    if (up.isAtBoundary) up.put(closeFrame(this.#codeForBackend(), '', true));
    else this.#isTruncated = true;
  }

  #codeForBackend(): number {
    const { closed, failure } = this.#passage.down.follower;
    if (closed) return closed.code;
    if (failure) return CLOSE.protocolError;
    return ENDED_BY_POLICY.includes(this.#ending?.cause ?? '') ? CLOSE.normal : CLOSE.goingAway;
  }

  /** Ends the sockets whose last frames have passed. */
  #settle(): void {
    const { up, down, client, backend } = this.#passage;
    if (down.output === 'over') {
      // After a Close, frames of the backend can't be delivered, but the end of the backend must be seen.
      down.resume();
      if ((up.follower.isDone || this.#hasClientEnded) && client.writable) client.end();
    }
    if (up.output !== 'over' || down.output === 'ending') return;
    const mayEnd = this.#endsBackend || this.#hasBackendEnded || this.#hasClientEnded;
    if (this.#isTruncated) this.#resetBackend();
    else if (mayEnd && (this.#endsBackend || down.output === 'over') && backend.writable) backend.end();
  }

  /** Resets the backend after the frames that were passed as a whole. */
  #resetBackend(): void {
    if (this.#isResetDue) return;
    this.#isResetDue = true;
    const { backend } = this.#passage;
    if (!backend.writable) {
      this.#passage.freeBackend();
      return;
    }
    backend.write(NOTHING, (error) => {
      if (error || this.isBackendGone) return;
      const delay = Math.max(0, this.#passage.lastPayload + RESET_DELAY - performance.now());
      this.#resetTimer = setTimeout(() => reset(backend), delay);
    });
  }

  #sample(): boolean {
    const isAlive = this.#passage.sampleQueues(performance.now()) || this.#isAlive;
    this.#isAlive = false;
    // The rest of a frame does not prolong the closing, since the backend chooses the length of a frame.
    return isAlive && this.#passage.down.output !== 'ending';
  }

  #onTimeout(limit: string): void {
    const passage = this.#passage;
    const reason = `the backend did not answer the Close within ${limit}`;
    if (this.#isAnswerDue && !this.isClientGone && passage.down.output === 'open') {
      // The client learns of the failure before the connection ends.
      passage.freeBackend(reason);
      this.#clock?.start();
      return;
    }
    const loss = this.isClientGone ? undefined : this.#lossAt(limit);
    if (loss !== undefined) this.#ending = endingOf('close-timeout', loss);
    passage.freeClient();
    passage.freeBackend(reason);
  }

  /** The reason if bytes have not arrived at the deadline: such an end is not orderly, whatever the code of the Close. */
  #lossAt(limit: string): string | undefined {
    const { client, down } = this.#passage;
    if (client.writableLength > 0) return `the client did not accept what was sent within ${limit}`;
    if (down.output === 'ending') return `the frame before the Close did not end within ${limit}`;
    return this.#isUnanswered() ? `the client did not answer the Close within ${limit}` : undefined;
  }

  /** A Close had the code of an orderly end, but the client has not confirmed the bytes before that Close. */
  #isUnanswered(): boolean {
    const { up, down, heartbeat } = this.#passage;
    return (
      down.output === 'over' &&
      !up.follower.closed &&
      // While paused, the answer may have arrived unread.
      !up.pauses.has(PAUSE.receiver) &&
      ORDERLY.includes(this.#ending?.code ?? CLOSE.abnormal) &&
      down.payload > 0 &&
      heartbeat.unconfirmed() > 0
    );
  }
}
