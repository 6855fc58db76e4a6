import type { IncomingMessage } from 'node:http';
import { messageOf, TunnelError } from '../errors.js';
import { isPromise } from '../helpers/abort.js';
import type { Log } from '../observe/log.js';
import type { TunnelCounts } from '../observe/metrics/tunnel-counts.js';
import { hasFailedStart, reportRecordingFailure } from '../observe/recording-failure.js';
import type { RuleSettings } from '../options/settings.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import type { Tap } from '../streams/tap.js';
import type { Recorder, TunnelInfo } from '../types.js';

interface RecordedTunnel {
  /** Called when a recorder with `whenFails: 'close'` has failed. */
  cutOffBy(ending: Ending): void;
}

interface RecordingOwner {
  readonly log: Log;
  /** The recordings that must be finished before `close()` resolves. */
  readonly unfinished: Set<Promise<void>>;
  readonly counts: Pick<TunnelCounts, 'failedRecordings'>;
}

/** TypeScript accepts async functions in place of functions without a result. */
interface CalledRecorder extends Pick<Recorder, 'end'> {
  out(bytes: Buffer, ms: number): unknown;
  in(bytes: Buffer, ms: number): unknown;
}

/** Passes the bytes of one tunnel to the recorder, and carries out `whenFails`. */
export class Recording implements Tap {
  readonly readsIn: boolean;
  readonly #recorder: CalledRecorder;
  readonly #mayContinue: boolean;
  readonly #failed: AbortSignal | undefined;
  readonly #id: string;
  readonly #owner: RecordingOwner;
  readonly #start = performance.now();
  /** open: bytes are recorded. over: the tunnel goes on without a recording. closed: no further byte may pass. */
  #state: 'open' | 'over' | 'closed' = 'open';
  #isEnded = false;
  #isCounted = false;
  #tunnel: RecordedTunnel | undefined;

  /** Reads properties of the app's object, which may throw. */
  constructor(recorder: Recorder, id: string, owner: RecordingOwner) {
    this.#recorder = recorder;
    this.#mayContinue = recorder.whenFails !== 'close';
    this.readsIn = recorder.direction !== 'out';
    this.#failed = recorder.failed;
    this.#id = id;
    this.#owner = owner;
    this.#failed?.addEventListener('abort', this.#onFailed);
  }

  /** Sets the tunnel to end after a failure. Call this before any byte passes. */
  belongTo(tunnel: RecordedTunnel): void {
    this.#tunnel = tunnel;
  }

  /** The refusal if the recorder has failed already and the tunnel must not open without a recorder. */
  refusal(): TunnelError | undefined {
    if (this.#failed?.aborted === true) this.#onFailed();
    if (this.#state !== 'closed') return undefined;
    return new TunnelError('WSTUNNEL_HOOK_FAILED', 'record: the recorder failed before the 101 response');
  }

  out(bytes: Buffer): boolean {
    if (this.#state !== 'open') return this.#state === 'over';
    try {
      this.#awaitFailure(this.#recorder.out(bytes, this.#now()));
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  in(bytes: Buffer): boolean {
    if (this.#state !== 'open') return this.#state === 'over';
    if (!this.readsIn) return true;
    try {
      this.#awaitFailure(this.#recorder.in(bytes, this.#now()));
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** The tunnel has ended, or was never opened. */
  end(info: TunnelInfo): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#tunnel = undefined;
    this.#failed?.removeEventListener('abort', this.#onFailed);
    try {
      const ending: unknown = this.#recorder.end(info);
      if (isPromise(ending)) this.#track(ending);
      else this.#checkEnd();
    } catch (error) {
      this.#report(error);
    }
  }

  /** Nobody awaits the promise of an async function: a rejection would end the process. */
  #awaitFailure(outcome: unknown): void {
    if (!isPromise(outcome)) return;
    Promise.resolve(outcome).catch((error: unknown) => {
      if (this.#state === 'open') this.#fail(error);
    });
  }

  #track(ending: PromiseLike<unknown>): void {
    const { unfinished } = this.#owner;
    const settled: Promise<void> = Promise.resolve(ending)
      .then(
        () => this.#checkEnd(),
        (error: unknown) => this.#report(error),
      )
      .then(() => void unfinished.delete(settled));
    unfinished.add(settled);
  }

  /** The last bytes may have failed after the tunnel: `fileRecorder()` then resolves the promise of `end()`. */
  #checkEnd(): void {
    if (!this.#isCounted && this.#failed?.aborted === true) this.#report(this.#failed.reason);
  }

  #now(): number {
    return Math.floor(performance.now() - this.#start);
  }

  readonly #onFailed = (): void => {
    if (this.#state === 'open') this.#fail(this.#failed?.reason);
  };

  #fail(error: unknown): boolean {
    // A recorder may both abort its signal and throw.
    if (this.#state !== 'open') return this.#mayContinue;
    this.#state = this.#mayContinue ? 'over' : 'closed';
    this.#report(error);
    if (!this.#mayContinue) this.#tunnel?.cutOffBy(endingOf('recording-failed', 'the recording failed'));
    return this.#mayContinue;
  }

  #report(error: unknown): void {
    // A recorder that failed while the tunnel was open may also fail in `end()`.
    if (!this.#isCounted) this.#owner.counts.failedRecordings[this.#mayContinue ? 'continue' : 'close']++;
    this.#isCounted = true;
    this.#owner.log('tunnel', 'error', '%s: the recording failed: %s', this.#id, messageOf(error));
    reportRecordingFailure(`the recording of tunnel ${this.#id}`, error);
  }
}

/**
 * Asks the option `record` for a recorder.
 *
 * @throws {TunnelError} WSTUNNEL_HOOK_FAILED if the option throws or returns another object than a recorder.
 */
export function startRecording<Req extends IncomingMessage>(
  record: NonNullable<RuleSettings<Req>['record']>,
  info: TunnelInfo,
  req: Req,
  owner: RecordingOwner,
): Recording | undefined {
  try {
    const recorder = record(info, req);
    if (recorder === undefined) {
      if (hasFailedStart(info)) owner.counts.failedRecordings.continue++;
      return undefined;
    }
    checkRecorder(recorder);
    return new Recording(recorder, info.id, owner);
  } catch (error) {
    owner.counts.failedRecordings.close++;
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `record failed: ${messageOf(error)}`, { cause: error });
  }
}

function checkRecorder(value: unknown): void {
  // Nobody awaits the promise of an async function: a rejection would end the process.
  if (isPromise(value)) Promise.resolve(value).catch(() => undefined);
  const given = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { out, in: input, end, direction, whenFails, failed } = given;
  if (typeof out !== 'function' || typeof input !== 'function' || typeof end !== 'function')
    throw new Error('the result must be a recorder with the functions out, in and end, or undefined');
  if (direction !== undefined && direction !== 'out' && direction !== 'both')
    throw new Error("the direction of a recorder must be 'out' or 'both'");
  if (whenFails !== undefined && whenFails !== 'close' && whenFails !== 'continue')
    throw new Error("whenFails of a recorder must be 'close' or 'continue'");
  if (failed !== undefined && !(failed instanceof AbortSignal))
    throw new Error('failed of a recorder must be an AbortSignal');
}
