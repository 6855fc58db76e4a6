/**
 * The outcome of a hook, or the signal's reason as soon as the signal aborts, so that a promise that never settles keeps no
 * memory in use. An outcome after the abort is dropped.
 */
export function orAborted<T>(signal: AbortSignal, start: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal.reason as Error));
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      act();
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort);
    // `async` turns a synchronous throw into a rejection.
    (async () => start())().then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}

/** A controller that aborts with the first of the signals. `free` removes the listeners from the signals. */
export function following(...signals: readonly AbortSignal[]): {
  controller: AbortController;
  free: () => void;
} {
  const controller = new AbortController();
  const listening = signals.map((signal) => {
    const onAbort = () => controller.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    return () => signal.removeEventListener('abort', onAbort);
  });
  const free = () => {
    for (const stop of listening) stop();
  };
  return { controller, free };
}
