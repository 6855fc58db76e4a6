import { readFile } from 'node:fs';
import { promisify } from 'node:util';
import { reasonOf } from '../../helpers/system-error.js';

/** A file of tokens that can't be read, or has no valid line. The message names the file, and contains no token. */
export class FileFault extends Error {
  override readonly name = 'FileFault';
}

/** For many small files, twice as fast as `fs/promises`. */
const readLater = promisify(readFile);

/** The text of a file, without a byte order mark. @throws {FileFault} */
export async function readTokenText(path: string): Promise<string> {
  try {
    return (await readLater(path, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    throw faultOf(path, error);
  }
}

export function faultOf(path: string, error: unknown): FileFault {
  return new FileFault(`${path}: ${reasonOf(error)}`, { cause: error });
}
