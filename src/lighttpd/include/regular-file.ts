import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** The message begins with the name of the file. */
export class IncludedFileError extends Error {}

/**
 * The text of a regular file of at most `maxBytes`. Reading a FIFO would wait for a writer, and `/dev/zero` has no end: so such
 * files are opened without blocking and not read.
 */
export function readRegularFile(path: string, maxBytes: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const kind = fstatSync(file);
    if (kind.isDirectory()) throw new IncludedFileError(`${path}: a folder can't be included`);
    if (!kind.isFile()) throw new IncludedFileError(`${path}: only a regular file can be included`);
    return readAtMost(file, path, maxBytes, kind.size);
  } finally {
    closeSync(file);
  }
}

/** `size` is only a hint: 0 for files in /proc, and too low for a file that grows. */
function readAtMost(file: number, path: string, maxBytes: number, size: number): string {
  const chunks: Buffer[] = [];
  let length = size;
  if (length <= maxBytes) {
    length = 0;
    for (;;) {
      const chunk = Buffer.alloc(64 * 1024);
      const count = readSync(file, chunk);
      if (count === 0) return Buffer.concat(chunks).toString('utf8');
      length += count;
      if (length > maxBytes) break;
      chunks.push(chunk.subarray(0, count));
    }
  }
  throw new IncludedFileError(`${path}: the included files are too long for a configuration`);
}
