/** The store did not answer in time, or rejected. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The result of a call to the store, or a rejection after `seconds`. A result that arrives later is dropped. */
export async function withDeadline<T>(seconds: number, call: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreError(`no answer within ${seconds} seconds`)), seconds * 1000);
  });
  try {
    return await Promise.race([call(), late]);
  } finally {
    clearTimeout(timer);
  }
}
