import { existsSync, readFile, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import { CommandError, EXIT } from './exit.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENXIO: 'no program reads from it',
  ENOSPC: 'the disk is full',
  EISDIR: 'it is a folder',
  EROFS: 'the file system is read-only',
  EADDRINUSE: 'it is already in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'the host name lookup failed',
};

/** For many small files, twice as fast as `fs/promises`. */
const readLater = promisify(readFile);

/** The reason of a system error, in plain words. */
export function reasonOf(error: unknown): string {
  const { code = '' } = (error ?? {}) as NodeJS.ErrnoException;
  return REASONS[code] ?? messageOf(error);
}

/** The text of a file, without a byte order mark. @throws {CommandError} */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Like {@link readTextFile}, without blocking the event loop. */
export async function readTextFileAsync(path: string): Promise<string> {
  try {
    return (await readLater(path, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * The first line of a file with a secret. Messages call the secret `what` and contain only a path that exists, since the user may
 * have given the secret itself in place of the path.
 *
 * @throws {CommandError}
 */
export function readFirstLine(path: string, what: string): string {
  let text: string;
  try {
    text = readTextFile(path);
  } catch (error) {
    const { cause } = error as Error;
    const hint = isMissing(cause) ? `${folderOf(path)} (give the path of a file that contains ${what})` : '';
    const name = existsSync(path) ? `${path}: ` : '';
    throw new CommandError(
      EXIT.config,
      `can't read ${what} from its file: ${name}${reasonOf(cause)}${hint}`,
      { cause },
    );
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new CommandError(EXIT.config, `${what} must be the first line of its file, ${path}`);
  return line;
}

/** For a message: the folder of a missing file, if there is such a folder. */
function folderOf(path: string): string {
  const folder = dirname(resolve(path));
  return existsSync(folder) ? ` in ${folder}` : '';
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

/** @throws {CommandError} unless the path is a folder */
export function requireFolder(path: string): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
  }
  throw new CommandError(EXIT.config, `${path}: it is not a folder`);
}
