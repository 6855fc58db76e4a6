import { closeSync, constants, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { Duplex } from 'node:stream';
import { reasonOf } from '../helpers/system-error.js';
import { MAX_TIMEOUT } from '../helpers/max-timeout.js';
import { checkText, seconds } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import type { OptionRef } from '../options/checks/option-path.js';
import type { Host } from '../types.js';
import { RecordingReader } from './file/recording-reader.js';
import { RecordingDecoder } from './format/decoder.js';
import { HEADER_SIZE, MAX_METADATA, MAX_MS, type RecordedBytes } from './format/layout.js';

/** The options of `player()`. */
export interface PlayerOptions {
  /** How many times faster than recorded, 0.01 to 1000, or Infinity for no pauses at all. Default 1. */
  speed?: number;
  /**
   * Seconds from the start of the recording. All earlier bytes are played at once, since a desktop's picture and a terminal's screen need
   * them. Default 0.
   */
  from?: number;
}

const CHECKS = { speed: checkSpeed, from: seconds(0, MAX_MS / 1000) };

/**
 * A recording as a backend: each tunnel plays the recording from its start, with the recorded pauses, and ends when the recording ends.
 * Bytes from the client are dropped. noVNC plays a recorded desktop this way, and xterm.js a recorded terminal:
 *
 *     app.use('/play', requireAdmin, wstunnel({ server: player('/var/lib/recordings/x.wsrec') }))
 *
 * A recording that is still being written plays up to its present end.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, and for a file that is not a recording.
 */
export function player(file: string, options: PlayerOptions = {}): Host {
  checkText(file, 'player()');
  checkNames(options, 'player()', CHECKS);
  const path = resolve(file);
  checkRecording(path);
  const { speed = 1, from = 0 } = options;
  return { connect: async () => new Playback(await RecordingReader.open(path), speed, from * 1000) };
}

/** Plays the bytes to the client at their times. */
class Playback extends Duplex {
  readonly #reader: RecordingReader;
  readonly #records: AsyncGenerator<RecordedBytes, void, undefined>;
  readonly #speed: number;
  /** Milliseconds from the start of the recording. */
  readonly #from: number;
  readonly #start = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(reader: RecordingReader, speed: number, from: number) {
    super({ allowHalfOpen: false });
    this.#reader = reader;
    this.#records = reader.records();
    this.#speed = speed;
    this.#from = from;
  }

  override _read(): void {
    this.#next().catch((error: unknown) => this.destroy(error as Error));
  }

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#reader.close().then(
      () => done(error),
      () => done(error),
    );
  }

  async #next(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#records.next();
      if (this.destroyed) return;
      if (done === true) break;
      if (value.direction === 'out' && value.bytes.length > 0) {
        this.#pushAt(value.bytes, value.ms);
        return;
      }
    }
    const { failure } = this.#reader;
    if (failure !== undefined) throw new Error(`the recording is ${failure}`);
    // The last picture stays as long as it was seen: a page that gets the end together with its bytes may not draw it.
    const { duration } = this.#reader.summary ?? { duration: 0 };
    this.#pushAt(null, duration);
  }

  /** `ms`: from the start of the recording. */
  #pushAt(bytes: Buffer | null, ms: number): void {
    const left = this.#start + (ms - this.#from) / this.#speed - performance.now();
    if (left <= 0) {
      this.push(bytes);
      return;
    }
    // A timer has a maximum delay: a longer pause needs several timers.
    this.#timer = setTimeout(() => this.#pushAt(bytes, ms), Math.min(left, MAX_TIMEOUT));
  }
}

function checkSpeed(value: unknown, name: OptionRef): void {
  if (value === Infinity || (typeof value === 'number' && value >= 0.01 && value <= 1000)) return;
  fail(name, 'must be a number from 0.01 to 1000, or Infinity', value);
}

function checkRecording(path: string): void {
  const decoder = new RecordingDecoder();
  let file: number | undefined;
  try {
    // Without O_NONBLOCK, a named pipe would block the process.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(HEADER_SIZE + MAX_METADATA);
    decoder.push(bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0)));
  } catch (error) {
    fail('player()', `needs a recording (${reasonOf(error)})`, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
  if (decoder.header) return;
  fail('player()', `needs a recording (${decoder.failure ?? 'the file ends inside the header'})`, path);
}
