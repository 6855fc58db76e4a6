import { lstatSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { byteString } from '../syntax/byte-string.js';
import { alternatives, isGlob, matcherOf } from './glob.js';
import { readRegularFile } from './regular-file.js';
import { MAX_CONFIGURATION_LENGTH } from '../syntax/source.js';

/** The text of an included file, and the name of the file in messages. */
export interface IncludedText {
  readonly file: string;
  readonly text: string;
}

/** A UTF-16 unit has at most three bytes in UTF-8: a longer file has too many characters in any case. */
const MAX_BYTES = 3 * MAX_CONFIGURATION_LENGTH;

/**
 * Reads includes from the disk as lighttpd does: relative paths start from the folder of the configuration's first file, and a
 * wildcard includes its files in alphabetical order, each under its own name. A wildcard without a match includes nothing. Throws
 * for a file that can't be read and for an unsupported pattern.
 */
export function includeFrom(file: string): (path: string) => readonly IncludedText[] {
  const folder = dirname(file);
  return (path) => {
    // Not `join` alone, which would put the folder in front of an absolute path too.
    const whole = path.startsWith('/') ? path : join(folder, path);
    let left = MAX_BYTES;
    return (isGlob(path) ? filesOf(whole) : [whole]).map((one) => {
      const text = readRegularFile(resolve(one), left);
      left -= Buffer.byteLength(text);
      return { file: one, text };
    });
  };
}

function filesOf(pattern: string): string[] {
  return alternatives(pattern).flatMap((one) => {
    const segments = one.split('/').filter((segment) => segment !== '');
    const found = segments.reduce<string[]>(
      (bases, segment) => bases.flatMap((base) => inside(base, segment)),
      [one.startsWith('/') ? '/' : ''],
    );
    return found.sort(compareBytes);
  });
}

/** Byte by byte, as strcmp(3). */
function compareBytes(one: string, other: string): number {
  const [left, right] = [byteString(one), byteString(other)];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The entries of a folder that match one segment of a pattern. */
function inside(base: string, segment: string): string[] {
  // Not `join`, which would resolve `..` before following a symbolic link.
  const path = (name: string) => (base === '' || base === '/' ? `${base}${name}` : `${base}/${name}`);
  if (!isGlob(segment)) return exists(path(segment)) ? [path(segment)] : [];
  const isMatch = matcherOf(segment);
  let names: string[];
  try {
    names = readdirSync(base === '' ? '.' : base);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  return ['.', '..', ...names].filter(isMatch).map(path);
}

/** A dangling symbolic link exists: its include fails with an error. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
