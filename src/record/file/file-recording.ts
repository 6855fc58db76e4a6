import { rename } from 'node:fs/promises';
import { reasonOf } from '../../helpers/system-error.js';
import { reportRecordingFailure } from '../../observe/recording-failure.js';
import type { Recorder, TunnelInfo } from '../../types.js';
import { RecordingEncoder } from '../format/encoder.js';
import { MAX_RECORD, RECORD_HEAD, type Direction } from '../format/layout.js';
import { DiskQueue, type QueueBudget } from './disk-queue.js';
import { createFile, type NewFile } from './names.js';

/**
 * Bytes that one recording may queue in front of a slow disk. By measurement, where all threads share one core, a download of 1 GB/s fills
 * 8 MiB before the kernel lets the writing thread run. A screen of 3840x2160 without compression has 32 MiB.
 */
export const MOST_QUEUED = 32 * 1024 * 1024;
/** Bytes that all recordings of one recorder may queue together. */
export const MOST_QUEUED_OF_ALL = 256 * 1024 * 1024;

export interface RecordingSettings {
  readonly folder: string;
  readonly direction: 'out' | 'both';
  /** Infinity is no limit. */
  readonly maxBytes: number;
  readonly whenFails: 'close' | 'continue';
  readonly budget: QueueBudget;
}

/**
 * The recording of one tunnel in a file. After a failure the recording ends: bytes after a gap would be useless to a player. A recording
 * that was stopped by a limit is finished, with the reason in the index. After an error of the disk the file stays as `.part`, with
 * all records up to the error.
 */
export class FileRecording implements Recorder {
  readonly whenFails: 'close' | 'continue';
  readonly #settings: RecordingSettings;
  readonly #name: string;
  readonly #encoder = new RecordingEncoder();
  readonly #head = Buffer.allocUnsafe(RECORD_HEAD);
  readonly #start = performance.now();
  readonly #queue: DiskQueue;
  readonly #file: Promise<NewFile | undefined>;
  #failure: Error | undefined;
  #isEnded = false;

  constructor(settings: RecordingSettings, name: string, tunnel: TunnelInfo, start: number) {
    this.whenFails = settings.whenFails;
    this.#settings = settings;
    this.#name = name;
    this.#queue = new DiskQueue(settings.budget, (error) => {
      this.#fail(`the recording ${name} can't be written: ${reasonOf(error)}`, error);
    });
    const { id, url, address, user, backend } = tunnel;
    const about = { id, url, address, backend, ...(user !== undefined && { user }) };
    this.#queue.add(this.#encoder.header({ start, direction: settings.direction, tunnel: about }));
    this.#file = this.#open();
  }

  out(bytes: Uint8Array, ms: number): void {
    this.#record('out', bytes, ms);
  }

  in(bytes: Uint8Array, ms: number): void {
    if (this.#settings.direction === 'both') this.#record('in', bytes, ms);
    else if (this.#failure) throw this.#failure;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#finish(performance.now() - this.#start);
  }

  /** @throws the failure of the recording, at each call. */
  #record(direction: Direction, bytes: Uint8Array, ms: number): void {
    if (this.#failure) throw this.#failure;
    if (this.#isEnded) return;
    const size = bytes.length + Math.ceil(bytes.length / MAX_RECORD) * RECORD_HEAD;
    const encoder = this.#encoder;
    if (encoder.size + size + encoder.endSize > this.#settings.maxBytes)
      throw this.#stop(ms, `maxBytes (${this.#settings.maxBytes}) is reached`);
    const { budget } = this.#settings;
    if (this.#queue.queued + size > MOST_QUEUED || budget.used + size > MOST_QUEUED_OF_ALL)
      throw this.#stop(ms, 'the disk is too slow: its queue is full');
    for (let at = 0; at < bytes.length; at += MAX_RECORD) {
      const part = bytes.subarray(at, at + MAX_RECORD);
      encoder.head(this.#head, 0, direction, ms, part.length);
      this.#queue.add(this.#head, size);
      this.#queue.add(part);
    }
    this.#queue.flushSoon();
  }

  async #open(): Promise<NewFile | undefined> {
    try {
      const created = await createFile(this.#settings.folder, this.#name);
      this.#queue.start(created.file);
      return created;
    } catch (error) {
      this.#queue.fail(error);
      return undefined;
    }
  }

  /** Ends the recording before the tunnel, at a limit. */
  #stop(ms: number, reason: string): Error {
    const failure = this.#fail(`the recording ${this.#name} ends before its tunnel: ${reason}`);
    this.#finish(ms, reason);
    return failure;
  }

  #fail(message: string, cause?: unknown): Error {
    const failure = (this.#failure ??= new Error(message, { cause }));
    reportRecordingFailure('a recording', failure);
    return failure;
  }

  #finish(ms: number, stopped?: string): void {
    this.#isEnded = true;
    this.#queue.add(this.#encoder.finish(ms, stopped));
    this.#queue.flush();
    this.#close().catch((error: unknown) => {
      this.#fail(`the recording ${this.#name} can't be finished: ${reasonOf(error)}`, error);
    });
  }

  async #close(): Promise<void> {
    const created = await this.#file;
    if (!created) return;
    await this.#queue.untilIdle();
    await created.file.close();
    if (!this.#queue.isFailed) await rename(created.unfinished, created.path);
  }
}
