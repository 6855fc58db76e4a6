import { creationError, TunnelError } from '../../errors.js';
import { OptionPath, type OptionRef } from './option-path.js';

/** The data of an error about an option: no code reads the message. */
interface Fault {
  readonly path: OptionPath;
  /** Is the key itself wrong, and not the key's value? */
  readonly isUnknownKey: boolean;
}

// Not stored as properties of the errors, so that a printed error shows only the message and the code.
const faults = new WeakMap<TunnelError, Fault>();
const others = new WeakMap<TunnelError, readonly TunnelError[]>();

/** A {@link TunnelError} WSTUNNEL_OPTION about one option. The message is the option's name and the predicate. */
export function optionError(name: OptionRef, predicate: string): TunnelError {
  const path = OptionPath.of(name);
  return errorOf(path.sentence(predicate), { path, isUnknownKey: false });
}

/** The same with a whole sentence that does not begin with the option's name. */
export function complaintAbout(name: OptionRef, sentence: string, cause?: unknown): TunnelError {
  return errorOf(sentence, { path: OptionPath.of(name), isUnknownKey: false }, cause);
}

/** The same for an object with an unknown key. */
export function unknownKeyError(path: OptionPath, key: string, predicate: string): TunnelError {
  return errorOf(path.sentence(predicate), { path: path.key(key), isUnknownKey: true });
}

function errorOf(sentence: string, fault: Fault, cause?: unknown): TunnelError {
  const error = creationError('WSTUNNEL_OPTION', sentence, cause);
  faults.set(error, fault);
  return error;
}

/** The option that caused an error; undefined for an error about no option. */
export function faultOf(error: TunnelError): Fault | undefined {
  return faults.get(error);
}

/** Runs all checks. Throws the first error; {@link everyErrorOf} returns the other errors as well. */
export function checkEach(checks: Iterable<() => void>): void {
  const errors: TunnelError[] = [];
  for (const check of checks)
    try {
      check();
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      errors.push(...everyErrorOf(error));
    }
  const [first, ...rest] = errors;
  if (!first) return;
  others.set(first, rest);
  throw first;
}

/** An error of {@link checkEach} and all errors found together with it. */
export function everyErrorOf(error: TunnelError): readonly TunnelError[] {
  return [error, ...(others.get(error) ?? [])];
}
