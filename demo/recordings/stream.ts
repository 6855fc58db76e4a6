import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import { convertRecording, RecordingReader } from 'express-wstunnel/record';

/** A block of no bytes at the time 0. */
const DAMAGED = Buffer.alloc(8);

/** The page was closed, or goes back to the start; or the login has ended. */
const NO_FAILURES: readonly unknown[] = ['ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'];

/**
 * Sends the recording as FBS: the page reads as fast as it plays, and the file is read no faster than the page reads. A last block
 * without bytes says that the rest of the file is damaged.
 */
export async function sendRecording(path: string, res: Response, signal: AbortSignal): Promise<void> {
  const reader = await RecordingReader.open(path);
  try {
    res.set({ 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' });
    await pipeline(blocksOf(reader), res, { signal });
  } catch (error) {
    if (!NO_FAILURES.includes((error as { code?: string }).code)) throw error;
  } finally {
    await reader.close();
  }
}

async function* blocksOf(reader: RecordingReader): AsyncGenerator<Buffer | string, void, undefined> {
  yield* convertRecording(reader, 'fbs');
  if (reader.failure !== undefined) yield DAMAGED;
}
