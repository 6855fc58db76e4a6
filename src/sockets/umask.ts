import { isMainThread } from 'node:worker_threads';

/**
 * Calls `act` under a umask. The umask belongs to the whole process, so `act` must be synchronous. A worker thread can't set the
 * umask (https://nodejs.org/api/process.html#processumaskmask), and calls `act` under the process's umask.
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
