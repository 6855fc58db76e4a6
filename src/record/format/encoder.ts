import {
  END_MAGIC,
  END_SIZE,
  HEADER_SIZE,
  INDEX_ENTRY,
  KIND,
  MAGIC,
  MAX_ENTRIES,
  MAX_MS,
  RECORD_HEAD,
  VERSION,
  type Direction,
  type IndexEntry,
  type RecordingHeader,
} from './layout.js';

/** Bytes between two entries of the index, until the index is full; then the distance is doubled. */
const FIRST_STEP = 64 * 1024;

/** Characters. The longest text of a header. */
const MAX_TEXT = 1000;

/** Characters of the reason for an early end: the JSON of the index must leave room for the entries. */
const MAX_REASON = 300;

/** Makes the bytes of a recording, and the index. The caller writes the bytes in the order of the calls. */
export class RecordingEncoder {
  /** Bytes so far. */
  size = 0;
  bytesIn = 0;
  bytesOut = 0;
  #lastMs = 0;
  #entries: IndexEntry[] = [];
  #step = FIRST_STEP;
  #nextEntry = 0;

  /** The most bytes that `finish` needs now. */
  get endSize(): number {
    return 2500 + this.#entries.length * INDEX_ENTRY;
  }

  header(header: RecordingHeader): Buffer {
    const { start, direction } = header;
    // Clients may choose the user name and the URL.
    const shorten = (_key: string, value: unknown) =>
      typeof value === 'string' ? value.slice(0, MAX_TEXT) : value;
    const json = Buffer.from(JSON.stringify({ start, direction, tunnel: header.tunnel }, shorten));
    const fixed = Buffer.alloc(HEADER_SIZE);
    MAGIC.copy(fixed);
    fixed[MAGIC.length] = VERSION;
    fixed.writeUInt32BE(json.length, HEADER_SIZE - 4);
    this.size = fixed.length + json.length;
    return Buffer.concat([fixed, json]);
  }

  /** Writes the head of a record into `target`. The bytes of the record, at most `MAX_RECORD`, must follow. */
  head(target: Buffer, at: number, direction: Direction, ms: number, length: number): void {
    const time = this.#timeOf(ms);
    if (this.size >= this.#nextEntry) this.#addEntry({ ms: time, offset: this.size });
    writeHead(target, at, KIND[direction], time, length);
    if (direction === 'in') this.bytesIn += length;
    else this.bytesOut += length;
    this.size += RECORD_HEAD + length;
  }

  /** The index and the end. `stopped`: why the recording ends before the tunnel. */
  finish(ms: number, stopped?: string): Buffer {
    const duration = this.#timeOf(ms);
    const { bytesIn, bytesOut } = this;
    const reason = stopped === undefined ? {} : { stopped: stopped.slice(0, MAX_REASON) };
    const json = Buffer.from(JSON.stringify({ duration, bytesOut, bytesIn, ...reason }));
    const length = 4 + json.length + this.#entries.length * INDEX_ENTRY;
    const bytes = Buffer.alloc(RECORD_HEAD + length + END_SIZE);
    writeHead(bytes, 0, KIND.index, duration, length);
    let at = bytes.writeUInt32BE(json.length, RECORD_HEAD);
    at += json.copy(bytes, at);
    for (const entry of this.#entries) {
      bytes.writeUIntBE(entry.ms, at, 6);
      bytes.writeUIntBE(entry.offset, at + 6, 6);
      at += INDEX_ENTRY;
    }
    writeHead(bytes, at, KIND.end, duration, END_SIZE - RECORD_HEAD);
    bytes.writeUIntBE(this.size, at + RECORD_HEAD + 2, 6);
    END_MAGIC.copy(bytes, at + RECORD_HEAD + 8);
    this.size += bytes.length;
    return bytes;
  }

  /** Times never decrease, whatever the caller's clock does: readers rely on the order. */
  #timeOf(ms: number): number {
    const whole = Number.isFinite(ms) ? Math.floor(ms) : 0;
    return (this.#lastMs = Math.min(MAX_MS, Math.max(this.#lastMs, whole)));
  }

  #addEntry(entry: IndexEntry): void {
    if (this.#entries.length === MAX_ENTRIES) {
      this.#entries = this.#entries.filter((_, index) => index % 2 === 0);
      this.#step *= 2;
    }
    this.#entries.push(entry);
    this.#nextEntry = entry.offset + this.#step;
  }
}

function writeHead(target: Buffer, at: number, kind: number, ms: number, length: number): void {
  target[at] = kind;
  target[at + 1] = 0;
  target.writeUIntBE(ms, at + 2, 6);
  target.writeUInt32BE(length, at + 8);
}
