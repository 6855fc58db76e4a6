import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

// Non-blocking, so that opening a FIFO without a reader fails at once: a blocked open would delay the handling of signals.
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** The file system calls of a log; tests pass a fake. */
export interface FileSystem {
  open(path: string): Promise<Pick<FileHandle, 'write' | 'close' | 'stat'>>;
  /** Device and inode of the path; undefined if there is no file. */
  idOf(path: string): Promise<string | undefined>;
}

/** Device and inode of an open file. */
export async function idOfHandle(handle: Pick<FileHandle, 'stat'>): Promise<string> {
  const { dev, ino } = await handle.stat();
  return `${dev}:${ino}`;
}

export const realFileSystem: FileSystem = {
  open: (path) => open(path, FLAGS, 0o640),
  idOf: async (path) => {
    try {
      const { dev, ino } = await stat(path);
      return `${dev}:${ino}`;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  },
};
