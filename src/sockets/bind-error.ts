import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The true error of a failed bind of a unix socket: for a folder that does not exist, libuv reports EACCES, as Windows does
 * (`uv_pipe_bind`).
 */
export function bindError(error: unknown, path: string): unknown {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== 'EACCES') return error;
  const folder = dirname(path);
  try {
    if (statSync(folder).isDirectory()) return error;
  } catch (missing) {
    if ((missing as NodeJS.ErrnoException).code !== 'ENOENT') return error;
  }
  return new Error(`the folder ${folder} does not exist`, { cause: error });
}
