import { statSync } from 'node:fs';
import { isAbsolute, relative, sep } from 'node:path';
import { reasonOf } from '../helpers/system-error.js';
import { checkText } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { LEFTOVER } from './files/token-file.js';

/** A path that must exist when the source is made: a misspelt path is a mistake, and no token would be valid. */
export function requirePath(path: unknown, by: string, kind: 'a folder' | 'a file or a folder'): string {
  checkText(path, by);
  const text = path as string;
  let isFolder;
  try {
    isFolder = statSync(text).isDirectory();
  } catch (error) {
    fail(by, `needs ${kind}: ${reasonOf(error)}`, text);
  }
  if (kind === 'a folder' && !isFolder) fail(by, 'needs a folder', text);
  return text;
}

/**
 * Can the token be the name of a file in a folder of tokens? False for a path with several parts, for a hidden file, and for a file that
 * an editor has left behind, since such a file has old tokens.
 */
export function isPlainName(token: string): boolean {
  return !/[/\\\0]/.test(token) && Buffer.byteLength(token) <= 255 && !LEFTOVER.test(token);
}

/** Is the path below the folder? Both must be free of symbolic links. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Does the error say that there is no such path? */
export function isMissing(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(code);
}
