import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../helpers/system-error.js';
import { isInside, isMissing, isPlainName, requirePath } from './paths.js';
import { sourceFailure } from './refusals.js';
import type { TokenSource } from './token-types.js';

/**
 * websockify's UnixDomainSocketDirectory: a token is the name of a unix socket in the folder. A symbolic link that leads out of the folder
 * is not followed.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for a path that is not a folder.
 */
export function socketTokens(path: string): TokenSource {
  const folder = requirePath(path, 'socketTokens()', 'a folder');
  return async (token) => {
    if (!isPlainName(token)) return undefined;
    try {
      const [root, real] = await Promise.all([realpath(folder), realpath(join(folder, token))]);
      const isSocket = isInside(root, real) && (await stat(real)).isSocket();
      return isSocket ? { target: { socket: real } } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw sourceFailure('down', `a socket in ${folder} can't be found: ${reasonOf(error)}`);
    }
  };
}
