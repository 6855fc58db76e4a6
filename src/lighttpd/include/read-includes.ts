import { lstatSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { alternatives, bytesOf, isGlob, matcherOf } from './glob.js';
import { readRegularFile } from './regular-file.js';
import { MAX_CONFIGURATION_LENGTH } from '../syntax/source.js';

/** A text that an include stands for, and its name in messages. */
export interface IncludedText {
  readonly file: string;
  readonly text: string;
}

/** No longer text in UTF-8 has few enough characters. */
const MAX_BYTES = 3 * MAX_CONFIGURATION_LENGTH;

/**
 * Reads includes from the disk as lighttpd does: relative ones from the folder of the configuration's first file, wildcards in
 * alphabetical order, each file under its own name. A wildcard that finds no file stands for nothing. Throws where a file can't be
 * read, and for a pattern that is not understood.
 */
export function includeFrom(file: string): (path: string) => readonly IncludedText[] {
  const folder = dirname(file);
  return (path) => {
    // Not `join`: an absolute path stays as it is.
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

/** As strcmp(3). */
function compareBytes(one: string, other: string): number {
  const [left, right] = [bytesOf(one), bytesOf(other)];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The entries of a folder that a segment of a pattern stands for. */
function inside(base: string, segment: string): string[] {
  // Not `join`: behind a link, `..` is another folder.
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

/** A link that leads nowhere exists: it can't be read, and that is an error. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
