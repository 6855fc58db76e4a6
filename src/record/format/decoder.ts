import { parseHeader, parseIndex } from './metadata.js';
import {
  END_MAGIC,
  END_SIZE,
  HEADER_SIZE,
  KIND,
  MAGIC,
  MAX_METADATA,
  MAX_RECORD,
  RECORD_HEAD,
  VERSION,
  type RecordedBytes,
  type RecordingHeader,
  type RecordingSummary,
} from './layout.js';

const NOTHING = Buffer.alloc(0);

/**
 * Reads a recording piece by piece. Never throws, whatever the bytes are: `failure` says what is wrong, and all earlier records are
 * valid. Needs memory for one record at most.
 */
export class RecordingDecoder {
  header: RecordingHeader | undefined;
  /** From the index, which comes after the last record. */
  summary: RecordingSummary | undefined;
  /** The end was read: no record is missing. */
  isComplete = false;
  /** What is wrong with the bytes. After a failure, no further record is read. */
  failure: string | undefined;
  /** The start of an unfinished header or record. */
  #partial = NOTHING;
  #partialLength = 0;
  /** Bytes that are needed for the next step. */
  #need: number;
  #isInHeader: boolean;
  #lastMs = 0;

  /** `atRecord`: the bytes begin with a record, at an offset of the index, and not with the header of the file. */
  constructor(atRecord = false) {
    this.#need = atRecord ? RECORD_HEAD : HEADER_SIZE;
    this.#isInHeader = !atRecord;
  }

  /** Bytes of an unfinished record. */
  get rest(): number {
    return this.#partialLength;
  }

  /** Returns the records that the chunk completes. Their bytes may be part of the chunk: do not reuse the chunk. */
  push(chunk: Buffer): RecordedBytes[] {
    const records: RecordedBytes[] = [];
    let at = 0;
    while (!this.failure && !this.isComplete) {
      const need = this.#need;
      const isInChunk = this.#partialLength === 0 && chunk.length - at >= need;
      if (!isInChunk) {
        at += this.#collect(chunk, at);
        if (this.#partialLength < need) break;
      }
      const unit = isInChunk ? chunk.subarray(at, at + need) : this.#partial.subarray(0, need);
      this.#need = this.#isInHeader ? this.#readHeader(unit) : this.#readRecord(unit, records);
      if (this.#need > need) continue;
      // The unit is complete.
      if (isInChunk) at += need;
      this.#partial = NOTHING;
      this.#partialLength = 0;
      this.#need = RECORD_HEAD;
    }
    return records;
  }

  /** Copies bytes until the next step is possible. Returns the number of bytes. */
  #collect(chunk: Buffer, at: number): number {
    if (this.#partial.length < this.#need) {
      const larger = Buffer.allocUnsafeSlow(this.#need);
      this.#partial.copy(larger, 0, 0, this.#partialLength);
      this.#partial = larger;
    }
    const copied = chunk.copy(this.#partial, this.#partialLength, at, at + this.#need - this.#partialLength);
    this.#partialLength += copied;
    return copied;
  }

  /** Returns the number of bytes that are needed: as many as in `unit` once the header is complete. */
  #readHeader(unit: Buffer): number {
    if (!unit.subarray(0, MAGIC.length).equals(MAGIC))
      return this.#fail('not a recording of express-wstunnel');
    const version = unit[MAGIC.length] ?? 0;
    if (version !== VERSION)
      return this.#fail(`a recording of version ${version}: use a newer express-wstunnel`);
    const length = unit.readUInt32BE(HEADER_SIZE - 4);
    if (length > MAX_METADATA) return this.#fail('damaged: the header is too long');
    const size = HEADER_SIZE + length;
    if (unit.length < size) return size;
    this.header = parseHeader(unit.subarray(HEADER_SIZE));
    if (!this.header) return this.#fail('damaged: the header is not valid JSON');
    this.#isInHeader = false;
    return 0;
  }

  #readRecord(unit: Buffer, records: RecordedBytes[]): number {
    const kind = unit[0];
    const ms = unit.readUIntBE(2, 6);
    const length = unit.readUInt32BE(8);
    const isKnown = kind === KIND.out || kind === KIND.in || kind === KIND.index || kind === KIND.end;
    if (!isKnown || unit[1] !== 0) return this.#fail('damaged: a record of an unknown kind');
    if (length > MAX_RECORD) return this.#fail('damaged: a record is too long');
    if (ms < this.#lastMs) return this.#fail('damaged: a record is earlier than the previous record');
    const size = RECORD_HEAD + length;
    if (unit.length < size) return size;
    this.#lastMs = ms;
    const bytes = unit.subarray(RECORD_HEAD);
    if (kind === KIND.index) {
      this.summary = parseIndex(bytes)?.summary;
      if (!this.summary) return this.#fail('damaged: the index is invalid');
    } else if (kind === KIND.end) {
      if (!isEnd(unit)) return this.#fail('damaged: the end is invalid');
      this.isComplete = true;
    } else records.push({ direction: kind === KIND.in ? 'in' : 'out', ms, bytes });
    return 0;
  }

  #fail(reason: string): number {
    this.failure = reason;
    return 0;
  }
}

/** Is this an end record, with the offset of the index? */
export function isEnd(unit: Buffer): boolean {
  return (
    unit.length === END_SIZE &&
    unit[0] === KIND.end &&
    unit.subarray(END_SIZE - END_MAGIC.length).equals(END_MAGIC)
  );
}
