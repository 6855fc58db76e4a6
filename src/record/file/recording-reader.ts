import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { isEnd, RecordingDecoder } from '../format/decoder.js';
import {
  END_SIZE,
  HEADER_SIZE,
  KIND,
  MAX_METADATA,
  MAX_RECORD,
  RECORD_HEAD,
  type IndexEntry,
  type RecordedBytes,
  type RecordingHeader,
  type RecordingSummary,
} from '../format/layout.js';
import { parseIndex } from '../format/metadata.js';

const READ_SIZE = 64 * 1024;

/** Reads a file of `fileRecorder()`, finished or not. */
export class RecordingReader {
  readonly header: RecordingHeader;
  /** From the end of the file; undefined for a file without an end, such as after a crash. */
  readonly summary: RecordingSummary | undefined;
  /** Why the last `records` ended early; undefined if all records were read. */
  failure: string | undefined;
  readonly #file: FileHandle;
  readonly #index: readonly IndexEntry[];

  private constructor(file: FileHandle, header: RecordingHeader, index: ReturnType<typeof parseIndex>) {
    this.#file = file;
    this.header = header;
    this.summary = index?.summary;
    this.#index = index?.entries ?? [];
  }

  /** Opens a recording. Rejects for a file that is not a recording; `cause` is the reason as a text. */
  static async open(path: string): Promise<RecordingReader> {
    // Without O_NONBLOCK, a named pipe would block a thread until a program writes to the pipe.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const decoder = new RecordingDecoder();
      decoder.push(await readAt(file, 0, HEADER_SIZE + MAX_METADATA));
      const { header, failure = 'the file ends inside the header' } = decoder;
      if (!header) throw new Error(`${path} can't be read: ${failure}`, { cause: failure });
      return new RecordingReader(file, header, await readIndex(file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** All records in order, from the last entry of the index that is not after `fromMs`. A missing end is not an error. */
  async *records(fromMs = 0): AsyncGenerator<RecordedBytes, void, undefined> {
    const entry = fromMs > 0 ? this.#index.findLast(({ ms }) => ms <= fromMs) : undefined;
    const decoder = new RecordingDecoder(entry !== undefined);
    let at = entry?.offset ?? 0;
    this.failure = undefined;
    while (!decoder.isComplete && decoder.failure === undefined) {
      const chunk = await readAt(this.#file, at, READ_SIZE);
      if (chunk.length === 0) break;
      at += chunk.length;
      yield* decoder.push(chunk);
    }
    this.failure = decoder.failure;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

/** The index, found from the end of the file; undefined if the file has no valid end. */
async function readIndex(file: FileHandle): Promise<ReturnType<typeof parseIndex>> {
  const { size } = await file.stat();
  if (size < HEADER_SIZE + END_SIZE) return undefined;
  const end = await readAt(file, size - END_SIZE, END_SIZE);
  if (!isEnd(end)) return undefined;
  const offset = end.readUIntBE(RECORD_HEAD + 2, 6);
  const length = size - END_SIZE - offset;
  if (length < RECORD_HEAD || length > RECORD_HEAD + MAX_RECORD) return undefined;
  const record = await readAt(file, offset, length);
  if (record[0] !== KIND.index || record.length !== length) return undefined;
  const index = parseIndex(record.subarray(RECORD_HEAD));
  return index?.entries.every((entry) => entry.offset < offset) === true ? index : undefined;
}
