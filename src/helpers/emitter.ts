import { EventEmitter } from 'node:events';

/**
 * A function that is an EventEmitter as well, as Express's own app is: it keeps `call` and `apply`, which tools that
 * wrap middleware use. A listener's rejected promise goes to the member under `Symbol.for('nodejs.rejection')`.
 */
export function asEmitter<F extends CallableFunction, M extends object>(
  callable: F,
  members: M,
): F & M & EventEmitter {
  const emitter: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(EventEmitter.prototype);
  Reflect.deleteProperty(emitter, 'constructor');
  Object.defineProperties(callable, emitter);
  Object.defineProperties(callable, Object.getOwnPropertyDescriptors(members));
  // The constructor is an ordinary function, and sets up what it is called on.
  type Constructor = (this: object, options: object) => void;
  (EventEmitter as unknown as Constructor).call(callable, { captureRejections: true });
  return callable as F & M & EventEmitter;
}
