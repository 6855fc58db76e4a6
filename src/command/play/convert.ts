import { convertRecording, type RecordingFormat } from '../../record/convert/convert.js';
import type { RecordingReader } from '../../record/file/recording-reader.js';
import { usageError } from '../command-line/args.js';
import type { Io } from '../process/io.js';
import { writeFileFrom, writeOut } from './output.js';

/** Every format, for `--to` and for completion. A format without a row does not compile. */
const ALL: Readonly<Record<RecordingFormat, true>> = { novnc: true, fbs: true, asciicast: true, raw: true };
export const FORMATS = Object.keys(ALL) as readonly RecordingFormat[];

/** The format of `--to`. @throws {CommandError} */
export function formatOf(text: string): RecordingFormat {
  const format = FORMATS.find((name) => name === text);
  if (!format) throw usageError(`--to must be one of ${FORMATS.join(', ')}; got "${text}"`);
  return format;
}

/** Writes the recording in another format to a new file, or to standard output. @throws {CommandError} */
export async function convert(
  io: Io,
  reader: RecordingReader,
  { format, output }: { readonly format: RecordingFormat; readonly output: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const chunks = convertRecording(reader, format);
  if (output !== undefined) {
    await writeFileFrom(output, chunks, signal);
    return;
  }
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    await writeOut(io, chunk);
  }
}
