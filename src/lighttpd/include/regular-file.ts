import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Its message begins with the file's name. */
export class IncludedFileError extends Error {}

/**
 * The text of a regular file of at most this many bytes. A FIFO would make the program wait for a writer, and `/dev/zero` has no end:
 * they are opened without waiting, and not read.
 */
export function readRegularFile(path: string, most: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const kind = fstatSync(file);
    if (kind.isDirectory()) throw new IncludedFileError(`${path}: it is a folder`);
    if (!kind.isFile()) throw new IncludedFileError(`${path}: it is not a regular file`);
    return readAtMost(file, path, most, kind.size);
  } finally {
    closeSync(file);
  }
}

/** The size says nothing for certain: in /proc it is 0, and a file may grow. */
function readAtMost(file: number, path: string, most: number, size: number): string {
  const chunks: Buffer[] = [];
  let length = size;
  if (length <= most) {
    length = 0;
    for (;;) {
      const chunk = Buffer.alloc(64 * 1024);
      const count = readSync(file, chunk);
      if (count === 0) return Buffer.concat(chunks).toString('utf8');
      length += count;
      if (length > most) break;
      chunks.push(chunk.subarray(0, count));
    }
  }
  throw new IncludedFileError(`${path}: the included files are too long; this is no configuration`);
}
