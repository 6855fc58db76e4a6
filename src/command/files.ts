import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { reasonOf } from '../helpers/system-error.js';
import { CommandError, EXIT } from './exit.js';

export { reasonOf };

/** The text of a file, without a byte order mark. @throws {CommandError} */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
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
