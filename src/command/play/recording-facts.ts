import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { RecordingReader } from '../../record/file/recording-reader.js';
import { UNFINISHED } from '../../record/file/names.js';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';

/** The number of first bytes to the client that decide on the kind. */
const KIND_BYTES = 4096;

/**
 * `finished`: complete. `stopped`: finished by a limit, before the tunnel ended. `unfinished`: the tunnel is open, or the process that
 * recorded was killed. `cut`: the end of the file is missing. `damaged`: wrong bytes follow the last readable record.
 */
export type RecordingState = 'finished' | 'stopped' | 'unfinished' | 'cut' | 'damaged';

/** The facts about a recording, as `--json` prints them. */
export interface RecordingFacts {
  readonly file: string;
  /** ISO 8601. */
  readonly start: string;
  /** Seconds. */
  readonly duration: number;
  /** Bytes of the file. */
  readonly size: number;
  readonly user?: string;
  readonly address: string;
  readonly backend: string;
  readonly url: string;
  readonly id: string;
  readonly direction: 'out' | 'both';
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly kind: 'vnc' | 'terminal' | 'other';
  readonly state: RecordingState;
  /** Why the recording is stopped or damaged. */
  readonly reason?: string;
}

/** Opens a recording. @throws {CommandError} for a file that is missing or not a recording */
export async function openRecording(file: string): Promise<RecordingReader> {
  try {
    if ((await stat(file)).isDirectory()) throw new Error('it is a folder');
    return await RecordingReader.open(file);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    // The reader's own messages begin with the file.
    const reason = typeof cause === 'string' ? cause : reasonOf(error);
    const advice = file.endsWith('.enc') ? '; an encrypted recording must be decrypted first' : '';
    throw new CommandError(EXIT.config, `${file}: ${reason}${advice}`, { cause: error });
  }
}

/** Reads the facts. Without an index, all records must be read. @throws {CommandError} */
export async function factsOf(file: string): Promise<RecordingFacts> {
  const reader = await openRecording(file);
  try {
    const { header, summary } = reader;
    const { size } = await stat(file);
    const seen = await look(reader);
    const { state, reason } = stateOf(reader, file);
    return {
      file,
      start: dateOf(header.start),
      duration: (summary?.duration ?? seen.duration) / 1000,
      size,
      ...header.tunnel,
      direction: header.direction,
      bytesOut: summary?.bytesOut ?? seen.bytesOut,
      bytesIn: summary?.bytesIn ?? seen.bytesIn,
      kind: kindOf(seen.start),
      state,
      ...(reason !== undefined && { reason }),
    };
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(EXIT.config, `${file}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await reader.close();
  }
}

/** The state of a reader whose records were read, at least up to an existing index. */
export function stateOf(
  { summary, failure }: RecordingReader,
  file: string,
): { readonly state: RecordingState; readonly reason?: string } {
  if (failure !== undefined) return { state: 'damaged', reason: failure.replace(/^damaged: /, '') };
  if (summary?.stopped !== undefined) return { state: 'stopped', reason: summary.stopped };
  if (summary) return { state: 'finished' };
  return { state: file.endsWith(UNFINISHED) ? 'unfinished' : 'cut' };
}

/** The first bytes to the client; without an index, also the sums over all records. */
async function look(reader: RecordingReader) {
  const parts: Buffer[] = [];
  let [length, duration, bytesOut, bytesIn] = [0, 0, 0, 0];
  for await (const { direction, ms, bytes } of reader.records()) {
    duration = ms;
    if (direction === 'in') bytesIn += bytes.length;
    else {
      bytesOut += bytes.length;
      // A copy, since the record is a part of a larger buffer.
      if (length < KIND_BYTES) parts.push(Buffer.from(bytes.subarray(0, KIND_BYTES - length)));
      length += bytes.length;
    }
    if (reader.summary && length >= KIND_BYTES) break;
  }
  return { start: Buffer.concat(parts), duration, bytesOut, bytesIn };
}

/** The bytes for a terminal are text; the last character may be cut. */
function kindOf(start: Buffer): RecordingFacts['kind'] {
  const text = start.toString('latin1');
  if (/^RFB \d{3}\.\d{3}\n/.test(text)) return 'vnc';
  if (text === '' || text.startsWith('SSH-') || start.includes(0)) return 'other';
  const isText = [0, 1, 2, 3].some((cut) => isUtf8(start.subarray(0, Math.max(0, start.length - cut))));
  return isText ? 'terminal' : 'other';
}

/** A damaged header may have a number that is no date. */
function dateOf(epoch: number): string {
  const date = new Date(epoch);
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString();
}
