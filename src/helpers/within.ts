import { MAX_TIMEOUT } from './max-timeout.js';

/** Waits for a promise for at most this many seconds. Resolves to false after a timeout. Rejects if the promise rejects. */
export async function within(seconds: number, done: Promise<unknown>): Promise<boolean> {
  const end = performance.now() + seconds * 1000;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    const wait = () => {
      const left = end - performance.now();
      timer = setTimeout(() => (left > MAX_TIMEOUT ? wait() : resolve(false)), Math.min(left, MAX_TIMEOUT));
    };
    wait();
  });
  try {
    return await Promise.race([done.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
