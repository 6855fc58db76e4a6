import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * What really went wrong where a unix socket could not be bound: libuv says EACCES for a folder that is missing
 * (`uv_pipe_bind`), as Windows does.
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
