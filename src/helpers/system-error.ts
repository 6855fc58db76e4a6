import { messageOf } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENXIO: 'no program reads from it',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the system has too many open files',
  EISDIR: 'it is a folder',
  EROFS: 'the file system is read-only',
  EADDRINUSE: 'it is already in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'unknown host name',
  EAI_AGAIN: 'the host name lookup failed',
};

/** The reason of a system error, in plain words. */
export function reasonOf(error: unknown): string {
  const { code = '' } = (error ?? {}) as NodeJS.ErrnoException;
  return REASONS[code] ?? messageOf(error);
}
