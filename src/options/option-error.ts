import { TunnelError } from '../errors.js';

/** What in the options an error is about, so that a file's reader finds its place without reading the message. */
export interface OptionPlace {
  /** Names and indices from the outermost object inwards. */
  readonly path: readonly (string | number)[];
  /** The name itself is wrong, not its value. */
  readonly isName: boolean;
}

const places = new WeakMap<TunnelError, OptionPlace>();
const others = new WeakMap<TunnelError, readonly TunnelError[]>();

/** An error about an option. `name` is as messages have it: `server["/vnc"][0].port`. */
export function optionError(name: string, message: string, unknownKey?: string): TunnelError {
  const error = new TunnelError('WSTUNNEL_OPTION', `wstunnel: ${message}`);
  const path = pathOf(name);
  places.set(
    error,
    unknownKey === undefined ? { path, isName: false } : { path: [...path, unknownKey], isName: true },
  );
  return error;
}

/** Undefined for an error that is about no option. */
export function optionPlaceOf(error: TunnelError): OptionPlace | undefined {
  return places.get(error);
}

/** Makes every check. Throws the first error; {@link everyErrorOf} finds the others with it. */
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

/** An error of {@link checkEach} and those that were found with it. */
export function everyErrorOf(error: TunnelError): readonly TunnelError[] {
  return [error, ...(others.get(error) ?? [])];
}

function pathOf(name: string): (string | number)[] {
  if (name === 'options') return [];
  return Array.from(
    name.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g),
    ([, index, quoted, word]) => {
      if (index !== undefined) return Number(index);
      return quoted === undefined ? (word ?? '') : (JSON.parse(quoted) as string);
    },
  );
}
