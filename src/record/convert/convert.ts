import { oneOf, wholeNumber } from '../../options/checks/basic.js';
import { checkNames } from '../../options/checks/names.js';
import type { RecordedBytes } from '../format/layout.js';
import type { RecordingReader } from '../file/recording-reader.js';
import { toAsciicast } from './asciicast.js';
import { toFbs } from './fbs.js';
import { toNoVNC } from './novnc.js';

/**
 * `novnc`: the format of noVNC and websockify, a script with base64. `fbs`: FBS 001.000 of rfbproxy, for VNC. `asciicast`: asciicast
 * version 3 of asciinema, for terminals. `raw`: only the bytes to the client.
 */
export type RecordingFormat = 'novnc' | 'fbs' | 'asciicast' | 'raw';

/** Options of the format `asciicast`. */
export interface ConvertOptions {
  /** Columns of the terminal, which are not recorded. Default 80. */
  width?: number;
  /** Rows of the terminal. Default 24. */
  height?: number;
}

const CHECKS = { width: wholeNumber(1, 65_535), height: wholeNumber(1, 65_535) };
const FORMATS: readonly RecordingFormat[] = ['novnc', 'fbs', 'asciicast', 'raw'];

/** Records of a recording in order. */
export type Records = AsyncIterable<RecordedBytes>;

/**
 * Converts a recording, piece by piece. A recording without an end, such as after a crash, is converted up to its last whole record.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an unknown format or an invalid option.
 */
export function convertRecording(
  recording: RecordingReader,
  format: RecordingFormat,
  options: ConvertOptions = {},
): AsyncGenerator<Buffer | string, void, undefined> {
  oneOf(FORMATS)(format, 'format');
  checkNames(options, 'convertRecording()', CHECKS);
  const { width = 80, height = 24 } = options;
  const records = recording.records();
  switch (format) {
    case 'novnc':
      return toNoVNC(records);
    case 'fbs':
      return toFbs(records);
    case 'asciicast':
      return toAsciicast(recording.header, records, { cols: width, rows: height });
    case 'raw':
      return toRaw(records);
  }
}

async function* toRaw(records: Records): AsyncGenerator<Buffer, void, undefined> {
  for await (const { direction, bytes } of records) if (direction === 'out') yield bytes;
}
