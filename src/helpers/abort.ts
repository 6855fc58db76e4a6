/** The part of an AbortSignal by which a step learns of an abort. */
export interface AbortState {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** An AbortState that also has an AbortSignal, for the app's hooks. */
export interface AbortSource extends AbortState {
  readonly signal: AbortSignal;
}

/**
 * A light AbortController for the steps of a handshake. Node's AbortController costs more (an EventTarget, weak listeners), each
 * handshake would need several, and one is created only when a hook of the app reads `signal`.
 */
export class Cancellation implements AbortSource {
  aborted = false;
  reason: unknown = undefined;
  #listeners: (() => void)[] | undefined;
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    const controller = (this.#controller ??= new AbortController());
    if (this.aborted) controller.abort(this.reason);
    return controller.signal;
  }

  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#controller?.abort(reason);
    // A listener may remove other listeners, which are then not called.
    for (let next = this.#listeners?.shift(); next; next = this.#listeners?.shift()) next();
    this.#listeners = undefined;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.aborted) return;
    if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners?.indexOf(listener) ?? -1;
    if (at !== -1) this.#listeners?.splice(at, 1);
  }
}

/**
 * The outcome of a hook, or the signal's reason as soon as the signal aborts, so that a promise that never settles keeps no
 * memory in use. An outcome after the abort is dropped.
 */
export function orAborted<T>(signal: AbortState, start: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => settle(() => reject(signal.reason));
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
export function following(...signals: readonly AbortState[]): {
  controller: Cancellation;
  free: () => void;
} {
  const controller = new Cancellation();
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

/** Does the value have to be awaited? `await` on any other value costs a turn of the microtask queue. */
export function isPromise<T>(outcome: T | Promise<T>): outcome is Promise<T> {
  return typeof (outcome as Partial<Promise<T>> | null | undefined)?.then === 'function';
}
