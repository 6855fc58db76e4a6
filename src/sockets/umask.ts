import { isMainThread } from 'node:worker_threads';

/**
 * Calls `act` under a umask, which is the whole process's: `act` must do its work before it returns. A worker thread can't set one
 * (https://nodejs.org/api/process.html#processumaskmask), and calls `act` under the process's own.
 */
export function withUmask(mask: number, act: () => void): void {
  if (!isMainThread) {
    act();
    return;
  }
  const before = process.umask(mask);
  try {
    act();
  } finally {
    process.umask(before);
  }
}
