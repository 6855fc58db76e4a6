import { readFileSync, statSync } from 'node:fs';
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
 * The first line of a file with a secret. Messages call the secret `what` and never contain the path, since the user may have given
 * the secret itself in place of the path.
 *
 * @throws {CommandError}
 */
export function readFirstLine(path: string, what: string): string {
  let text: string;
  try {
    text = readTextFile(path);
  } catch (error) {
    const { cause } = error as Error;
    const hint = isMissing(cause) ? ` (give the path of a file that contains ${what})` : '';
    throw new CommandError(EXIT.config, `can't read ${what} from its file: ${reasonOf(cause)}${hint}`, {
      cause,
    });
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw new CommandError(EXIT.config, `${what} must be the first line of its file`);
  return line;
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
