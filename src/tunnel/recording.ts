import type { IncomingMessage } from 'node:http';
import { messageOf, TunnelError } from '../errors.js';
import { isPromise } from '../helpers/abort.js';
import type { Log } from '../observe/log.js';
import { reportRecordingFailure } from '../observe/recording-failure.js';
import type { RuleSettings } from '../options/settings.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import type { Tap } from '../streams/tap.js';
import type { Recorder, TunnelInfo } from '../types.js';

interface RecordedTunnel {
  /** A recorder with `whenFails: 'close'` has failed. */
  cutOffBy(ending: Ending): void;
}

/** The recorder of one tunnel, and what happens when the recorder throws. */
export class Recording implements Tap {
  readonly #recorder: Recorder;
  readonly #id: string;
  readonly #log: Log;
  readonly #start = performance.now();
  /** open: bytes are recorded. over: the tunnel goes on without a recording. closed: no byte passes any more. */
  #state: 'open' | 'over' | 'closed' = 'open';
  #tunnel: RecordedTunnel | undefined;

  constructor(recorder: Recorder, id: string, log: Log) {
    this.#recorder = recorder;
    this.#id = id;
    this.#log = log;
  }

  /** The tunnel to end after a failure. Call this before any byte passes. */
  belongTo(tunnel: RecordedTunnel): void {
    this.#tunnel = tunnel;
  }

  out(bytes: Buffer): boolean {
    if (this.#state !== 'open') return this.#state === 'over';
    try {
      this.#recorder.out(bytes, this.#now());
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  in(bytes: Buffer): boolean {
    if (this.#state !== 'open') return this.#state === 'over';
    try {
      this.#recorder.in(bytes, this.#now());
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** The tunnel has ended, or was never opened. */
  end(info: TunnelInfo): void {
    this.#tunnel = undefined;
    try {
      this.#recorder.end(info);
    } catch (error) {
      this.#report(error);
    }
  }

  #now(): number {
    return Math.floor(performance.now() - this.#start);
  }

  #fail(error: unknown): boolean {
    this.#report(error);
    const mayContinue = this.#recorder.whenFails !== 'close';
    this.#state = mayContinue ? 'over' : 'closed';
    if (!mayContinue) this.#tunnel?.cutOffBy(endingOf('recording-failed', 'the recording failed'));
    return mayContinue;
  }

  #report(error: unknown): void {
    this.#log('tunnel', 'error', '%s: the recording failed: %s', this.#id, messageOf(error));
    reportRecordingFailure(`the recording of tunnel ${this.#id}`, error);
  }
}

/**
 * Asks the option `record` for a recorder.
 *
 * @throws {TunnelError} WSTUNNEL_HOOK_FAILED if the option throws or returns no recorder, and for frames, which can't be recorded.
 */
export function startRecording<Req extends IncomingMessage>(
  record: NonNullable<RuleSettings<Req>['record']>,
  info: TunnelInfo,
  req: Req,
  { log, hasFrames }: { log: Log; hasFrames: boolean },
): Recording | undefined {
  let recorder: Recorder | undefined;
  try {
    recorder = record(info, req);
  } catch (error) {
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `record failed: ${messageOf(error)}`, { cause: error });
  }
  if (recorder === undefined) return undefined;
  // Nobody awaits the promise of an async function: a rejection would end the process.
  if (isPromise(recorder)) recorder.catch(() => undefined);
  if (!isRecorder(recorder))
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      'record: the result must be a recorder with the functions out, in and end, or undefined',
    );
  const recording = new Recording(recorder, info.id, log);
  if (!hasFrames) return recording;
  recording.end(info);
  throw new TunnelError(
    'WSTUNNEL_HOOK_FAILED',
    `record: frames can't be recorded: give the host ${info.backend} the option mode: 'bytes'`,
  );
}

function isRecorder(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { out, in: input, end } = value as Record<string, unknown>;
  return typeof out === 'function' && typeof input === 'function' && typeof end === 'function';
}
