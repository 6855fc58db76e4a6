import { TunnelError } from '../../errors.js';

/** Characters of all texts of a configuration together. */
export const MAX_CONFIGURATION_LENGTH = 1024 * 1024;

/** One configuration text; included ones have their own. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** Where something stands: what an error points at. */
export interface Place {
  readonly source: Source;
  readonly offset: number;
}

/** `lighttpd.conf:12:5`, both counted from 1. */
export function placeName({ source, offset }: Place): string {
  const lines = source.text.slice(0, offset).split(/\r\n|\r|\n/);
  return `${source.name}:${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/** The line alone, to point at a second place. */
export function fileAndLine(place: Place): string {
  return placeName(place).replace(/:\d+$/, '');
}

const places = new WeakMap<TunnelError, Place>();
const fatal = new WeakSet<TunnelError>();

/** An error of the configuration at a place. */
export function errorAt(place: Place, message: string, cause?: unknown): TunnelError {
  const details = cause === undefined ? {} : { cause };
  const error = new TunnelError('WSTUNNEL_OPTION', `${placeName(place)}: ${message}`, details);
  places.set(error, place);
  return error;
}

export function failAt(place: Place, message: string, cause?: unknown): never {
  throw errorAt(place, message, cause);
}

/** A limit that keeps the reading small is exceeded: it does not go on for further problems. */
export function stopAt(place: Place, message: string): never {
  const error = errorAt(place, message);
  fatal.add(error);
  throw error;
}

export function isFatal(error: TunnelError): boolean {
  return fatal.has(error);
}

/** Where an error of {@link errorAt} is. */
export function placeOf(error: TunnelError): Place | undefined {
  return places.get(error);
}

/** Runs a check of the options' own: what it throws gets the place. */
export function checkAt<Result>(place: Place, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return failAt(place, error.message.replace(/^wstunnel: /, ''), error);
  }
}
