import { once } from 'node:events';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import type { Io } from '../process/io.js';

/** The reader of standard output, such as `head`, has closed the pipe: the command ends without a message. */
export class OutputClosed extends Error {}

/** Writes to standard output. Resolves once the bytes are written, so that a slow reader slows the recording. */
export function writeOut({ stdout }: Pick<Io, 'stdout'>, chunk: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(chunk, (error) => {
      if (!error) resolve();
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') reject(new OutputClosed());
      else reject(new CommandError(EXIT.failed, `standard output: ${reasonOf(error)}`, { cause: error }));
    });
  });
}

/**
 * Writes into a new file that only this user can read. A file that is not complete is removed.
 *
 * @throws {CommandError} for an existing file, and for a failed write
 */
export async function writeFileFrom(
  path: string,
  chunks: AsyncIterable<string | Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const file = await createFile(path);
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await writeAll(file, chunk);
    }
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(path, { force: true });
    if (error instanceof CommandError || signal.aborted) throw error;
    throw new CommandError(EXIT.failed, `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

async function writeAll(file: FileHandle, chunk: string | Buffer): Promise<void> {
  // Unlike `write`, `appendFile` writes everything.
  await file.appendFile(chunk);
}

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    const reason = isThere ? 'it exists already: give --output another name' : reasonOf(error);
    throw new CommandError(EXIT.config, `${path}: ${reason}`, { cause: error });
  }
}

/** Rejects once the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}
