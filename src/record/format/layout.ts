/**
 * The layout of a recording, version 1. All numbers are unsigned and big-endian.
 *
 *     header   8 magic | 1 version | 3 zero | 4 length of the JSON | JSON: start, direction, tunnel
 *     record   1 kind | 1 zero | 6 milliseconds since the start | 4 length | bytes
 *     index    a record: 4 length of the JSON | JSON: duration, bytesOut, bytesIn, stopped | entries: 6 milliseconds, 6 offset
 *     end      a record: 2 zero | 6 offset of the index | 8 magic
 *
 * The file is only appended to. Without index and end (after a crash) all whole records can still be read. The end has a fixed size,
 * so that a reader finds the index from the end of the file.
 */

/** As in PNG, the first byte and the line break reveal a file that was transferred as text. */
export const MAGIC = Buffer.from('\x89WSREC\r\n', 'latin1');
export const END_MAGIC = Buffer.from('WSRECEND', 'latin1');
export const VERSION = 1;

/** Bytes in front of the JSON of the header. */
export const HEADER_SIZE = 16;
/** Bytes in front of the bytes of a record. */
export const RECORD_HEAD = 12;
export const INDEX_ENTRY = 12;
/** Bytes of the whole end record. */
export const END_SIZE = RECORD_HEAD + 16;

/** The longest JSON of a header: a reader needs no more memory, whatever the file contains. */
export const MAX_METADATA = 64 * 1024;
/** The most bytes of one record. Longer chunks are split. */
export const MAX_RECORD = 64 * 1024;
/** The most entries of the index: with the JSON, an index fits into one record. */
export const MAX_ENTRIES = 2048;
/** The most milliseconds that a record can have: 8,900 years. */
export const MAX_MS = 2 ** 48 - 1;

export const KIND = { out: 0x6f, in: 0x69, index: 0x78, end: 0x65 } as const;

/** `out`: from the backend to the client. `in`: from the client to the backend. */
export type Direction = 'out' | 'in';

/** The tunnel of a recording. */
export interface RecordedTunnel {
  readonly id: string;
  readonly url: string;
  readonly address: string;
  readonly user?: string;
  readonly backend: string;
}

/** The JSON of the header. */
export interface RecordingHeader {
  /** The start, in epoch milliseconds. All other times are counted from the start, by the monotonic clock. */
  readonly start: number;
  /** `both`: the recording contains what the client sent, passwords included. */
  readonly direction: 'out' | 'both';
  readonly tunnel: RecordedTunnel;
}

/** The JSON of the index. */
export interface RecordingSummary {
  /** Milliseconds from the start to the end of the recording. */
  readonly duration: number;
  /** Recorded bytes to the client. */
  readonly bytesOut: number;
  /** Recorded bytes from the client. */
  readonly bytesIn: number;
  /** Why the recording ends before the tunnel; absent if the recording is complete. */
  readonly stopped?: string;
}

/** Bytes of one direction. */
export interface RecordedBytes {
  readonly direction: Direction;
  /** Milliseconds since the start. */
  readonly ms: number;
  readonly bytes: Buffer;
}

/** A place in the file at which a reader can begin. */
export interface IndexEntry {
  readonly ms: number;
  readonly offset: number;
}
