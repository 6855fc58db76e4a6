import { rename } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { reasonOf } from '../../helpers/system-error.js';
import { reportRecordingFailure } from '../../observe/recording-failure.js';
import type { Recorder, TunnelInfo } from '../../types.js';
import { RecordingEncoder } from '../format/encoder.js';
import { MAX_RECORD, RECORD_HEAD, type Direction } from '../format/layout.js';
import { DiskQueue, type QueueBudget } from './disk-queue.js';
import { CheckedFile } from './checked-file.js';
import { EncryptedFile } from './encrypted-file.js';
import { createFile, ENCRYPTED, SUFFIX, type NewFile } from './names.js';

/**
 * Bytes that one recording may queue for a slow disk. Measured with all threads on one core: a download of 1 GB/s fills 8 MiB before the
 * kernel schedules the writing thread. An uncompressed screen of 3840x2160 has 32 MiB.
 */
export const MOST_QUEUED = 32 * 1024 * 1024;
/** Bytes that all recordings of one recorder may queue together. */
export const MOST_QUEUED_OF_ALL = 256 * 1024 * 1024;

interface OpenFile extends NewFile {
  readonly encrypted: EncryptedFile | undefined;
}

export interface RecordingSettings {
  readonly folder: string;
  readonly direction: 'out' | 'both';
  /** Infinity is no limit. */
  readonly maxBytes: number;
  readonly whenFails: 'close' | 'continue';
  readonly budget: QueueBudget;
  /** Reports a failure. Default: a process warning. */
  readonly report?: ((message: string) => void) | undefined;
}

/**
 * The recording of one tunnel in a file. A failure ends the recording, since a player can't use bytes after a gap. If a limit stops the
 * recording, the file is finished, with the reason in the index. After an error of the disk, the file keeps the name `.part` and has all
 * records up to the error.
 */
export class FileRecording implements Recorder {
  readonly whenFails: 'close' | 'continue';
  readonly direction: 'out' | 'both';
  readonly #failing = new AbortController();
  readonly #settings: RecordingSettings;
  readonly #name: string;
  readonly #encoder = new RecordingEncoder();
  readonly #head = Buffer.allocUnsafe(RECORD_HEAD);
  readonly #start = performance.now();
  readonly #queue: DiskQueue;
  readonly #file: Promise<OpenFile | undefined>;
  #failure: Error | undefined;
  /** Resolves when the file is closed. Set once the recording has ended. */
  #finished: Promise<void> | undefined;

  /** `cipher`: a stream of the app through which the bytes of the file pass. */
  constructor(
    settings: RecordingSettings,
    name: string,
    tunnel: TunnelInfo,
    start: number,
    cipher: Duplex | undefined,
  ) {
    this.whenFails = settings.whenFails;
    this.direction = settings.direction;
    this.#settings = settings;
    this.#name = name;
    this.#queue = new DiskQueue(settings.budget, (error) => {
      this.#fail(`the recording ${name} can't be written: ${reasonOf(error)}`, error);
    });
    const { id, url, address, user, backend } = tunnel;
    const about = { id, url, address, backend, ...(user !== undefined && { user }) };
    this.#queue.add(this.#encoder.header({ start, direction: settings.direction, tunnel: about }));
    this.#file = this.#open(cipher);
  }

  /** Aborted when the recording fails, possibly between two calls of `out`. */
  get failed(): AbortSignal {
    return this.#failing.signal;
  }

  out(bytes: Uint8Array, ms: number): void {
    this.#record('out', bytes, ms);
  }

  in(bytes: Uint8Array, ms: number): void {
    if (this.#settings.direction === 'both') this.#record('in', bytes, ms);
  }

  /** Resolves when the file is finished or has failed. */
  end(): Promise<void> {
    return this.#finish(performance.now() - this.#start);
  }

  /** @throws the failure of the recording, at each call. */
  #record(direction: Direction, bytes: Uint8Array, ms: number): void {
    if (this.#failure) throw this.#failure;
    if (this.#finished) return;
    const size = bytes.length + Math.ceil(bytes.length / MAX_RECORD) * RECORD_HEAD;
    const encoder = this.#encoder;
    if (encoder.size + size + encoder.endSize > this.#settings.maxBytes)
      throw this.#stop(ms, `the file has reached its limit of ${this.#settings.maxBytes} bytes (maxBytes)`);
    const { budget } = this.#settings;
    if (this.#queue.queued + size > MOST_QUEUED || budget.used + size > MOST_QUEUED_OF_ALL)
      throw this.#stop(ms, 'the disk is too slow, and the queue is full');
    for (let at = 0; at < bytes.length; at += MAX_RECORD) {
      const part = bytes.subarray(at, at + MAX_RECORD);
      encoder.head(this.#head, 0, direction, ms, part.length);
      this.#queue.add(this.#head, size);
      this.#queue.add(part);
    }
    this.#queue.flushSoon();
  }

  async #open(cipher: Duplex | undefined): Promise<OpenFile | undefined> {
    try {
      const suffix = cipher ? SUFFIX + ENCRYPTED : SUFFIX;
      const created = await createFile(this.#settings.folder, this.#name, suffix);
      const checked = new CheckedFile(created);
      const encrypted = cipher && new EncryptedFile(cipher, checked, (error) => this.#queue.fail(error));
      this.#queue.start(encrypted ?? checked);
      return { ...created, encrypted };
    } catch (error) {
      cipher?.destroy();
      this.#queue.fail(error);
      return undefined;
    }
  }

  /** Ends the recording before the tunnel, at a limit. */
  #stop(ms: number, reason: string): Error {
    const failure = this.#fail(`the recording ${this.#name} ends before its tunnel: ${reason}`);
    void this.#finish(ms, reason);
    return failure;
  }

  #fail(message: string, cause?: unknown): Error {
    const failure = (this.#failure ??= new Error(message, { cause }));
    reportRecordingFailure('a recording', failure, this.#settings.report);
    this.#failing.abort(failure);
    return failure;
  }

  #finish(ms: number, stopped?: string): Promise<void> {
    if (this.#finished) return this.#finished;
    this.#queue.add(this.#encoder.finish(ms, stopped));
    this.#queue.flush();
    this.#finished = this.#close().catch((error: unknown) => {
      this.#fail(`the recording ${this.#name} can't be finished: ${reasonOf(error)}`, error);
    });
    return this.#finished;
  }

  async #close(): Promise<void> {
    const created = await this.#file;
    if (!created) return;
    const { encrypted, file } = created;
    await this.#queue.untilIdle();
    try {
      if (this.#queue.isFailed) encrypted?.destroy();
      else await encrypted?.end();
    } finally {
      await file.close();
    }
    if (!this.#queue.isFailed) await rename(created.unfinished, created.path);
  }
}
