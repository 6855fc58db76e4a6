import { EventEmitter } from 'node:events';

/**
 * Turns a function into an EventEmitter too, as Express does with the app. The function keeps `call` and `apply`, since tools
 * that wrap middleware use both. The rejection of a listener goes to the member `Symbol.for('nodejs.rejection')`.
 */
export function asEmitter<F extends CallableFunction, M extends object>(
  callable: F,
  members: M,
): F & M & EventEmitter {
  const emitter: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(EventEmitter.prototype);
  Reflect.deleteProperty(emitter, 'constructor');
  Object.defineProperties(callable, emitter);
  Object.defineProperties(callable, Object.getOwnPropertyDescriptors(members));
  // Node's constructor is an ordinary function that initializes `this`.
  type Constructor = (this: object, options: object) => void;
  (EventEmitter as unknown as Constructor).call(callable, { captureRejections: true });
  return callable as F & M & EventEmitter;
}
