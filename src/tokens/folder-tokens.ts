import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf } from '../helpers/system-error.js';
import { readTokenTarget, TARGETS } from './files/token-file.js';
import { isInside, isMissing, isPlainName, requirePath } from './paths.js';
import { sourceFailure } from './refusals.js';
import type { TokenSource } from './token-types.js';

/** Bytes of a file that contains one target; a longer file is invalid. */
const MAX_BYTES = 4096;

/**
 * websockify's TokenFileName: a folder of files. The name of a file is the token, and its content is `host:port`. A symbolic link is
 * followed only to a file inside of the folder.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for a path that is not a folder.
 */
export function folderTokens(path: string): TokenSource {
  const folder = requirePath(path, 'folderTokens()', 'a folder');
  return async (token) => {
    if (!isPlainName(token)) return undefined;
    const text = await textOf(folder, token);
    if (text === undefined) return undefined;
    const host = readTokenTarget(text.replace(/^\uFEFF/, '').trim());
    // The message does not name the file, since the name is the token.
    if (!host) throw sourceFailure('wrong', `the file of a token in ${folder} must contain ${TARGETS}`);
    return { target: host };
  };
}

/** The text of a regular file; undefined without one. */
async function textOf(folder: string, name: string): Promise<string | undefined> {
  try {
    const [root, real] = await Promise.all([realpath(folder), realpath(join(folder, name))]);
    if (!isInside(root, real)) return undefined;
    // Without O_NONBLOCK, a named pipe would block a thread until a program writes to the pipe.
    const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return undefined;
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAX_BYTES + 1), position: 0 });
      return bytesRead > MAX_BYTES ? '' : buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw sourceFailure('down', `a file in ${folder} can't be read: ${reasonOf(error)}`);
  }
}
