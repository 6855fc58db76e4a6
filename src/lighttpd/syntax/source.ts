import { plainMessageOf, TunnelError } from '../../errors.js';

/** Most characters of a configuration, included files among them. */
export const MAX_CONFIGURATION_LENGTH = 1024 * 1024;

/** One configuration text. Each included file is also a source. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** A position in a source, such as the position of an error. */
export interface Place {
  readonly source: Source;
  readonly offset: number;
}

/** `lighttpd.conf:12:5`, line and column counted from 1. */
function placeName({ source, offset }: Place): string {
  const lines = source.text.slice(0, offset).split(/\r\n|\r|\n/);
  return `${source.name}:${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/** `lighttpd.conf:12`, for messages that point at a second place. */
export function fileAndLine(place: Place): string {
  return placeName(place).replace(/:\d+$/, '');
}

const places = new WeakMap<TunnelError, Place>();
const fatal = new WeakSet<TunnelError>();

/** An error in the configuration; the message begins with the place. */
export function errorAt(place: Place, message: string, cause?: unknown): TunnelError {
  const details = cause === undefined ? {} : { cause };
  const error = new TunnelError('WSTUNNEL_OPTION', `${placeName(place)}: ${message}`, details);
  places.set(error, place);
  return error;
}

export function failAt(place: Place, message: string, cause?: unknown): never {
  throw errorAt(place, message, cause);
}

/** Fails if a size limit is exceeded. Reading stops at the place: no further problems are collected. */
export function stopAt(place: Place, message: string): never {
  const error = errorAt(place, message);
  fatal.add(error);
  throw error;
}

export function isFatal(error: TunnelError): boolean {
  return fatal.has(error);
}

/** The place of an error from {@link errorAt}. */
export function placeOf(error: TunnelError): Place | undefined {
  return places.get(error);
}

/** Runs a check of `src/options/`, and puts the place in front of the check's error. */
export function checkAt<Result>(place: Place, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return failAt(place, plainMessageOf(error), error);
  }
}
