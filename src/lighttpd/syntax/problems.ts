import { TunnelError } from '../../errors.js';
import { isFatal, placeOf, type Place, type Source } from './source.js';

/** One problem of a configuration. */
export interface Problem {
  /** Begins with `file:line:column`. */
  readonly message: string;
  /** The directive to skip on purpose, if the problem is a directive that may be skipped. */
  readonly directive?: string;
  readonly cause?: unknown;
}

/** More problems would not help the reader. */
const MAX_PROBLEMS = 100;

const directives = new WeakMap<TunnelError, string>();

/** Marks an error as being about a directive that may be skipped on purpose. */
export function asDirective(error: TunnelError, name: string): TunnelError {
  directives.set(error, name);
  return error;
}

/** Collects the problems of a configuration, so that one reading reports all of them. */
export class Problems {
  readonly #errors: TunnelError[] = [];
  /** In the order of opening. */
  readonly #sources: Source[] = [];

  /** True if a source, or a part of a source, could not be read: a seemingly undefined name may be defined there. */
  isIncomplete = false;

  /** Registers a source. Problems are reported in the order in which the sources were opened. */
  open(source: Source): void {
    this.#sources.push(source);
  }

  /** Runs one part of the reading; undefined if the part has a problem. */
  try<Result>(part: () => Result): Result | undefined {
    try {
      return part();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  /** Keeps an error of the configuration; throws any other error. */
  add(error: unknown): void {
    if (!(error instanceof TunnelError) || isFatal(error) || this.#errors.length >= MAX_PROBLEMS) throw error;
    this.#errors.push(error);
  }

  /** In the order of the sources, each message once. */
  get all(): readonly Problem[] {
    const errors = [...this.#errors].sort((one, other) => this.#rankOf(one) - this.#rankOf(other));
    const byMessage = new Map(errors.map((error) => [error.message, error]));
    return Array.from(byMessage.values(), problemOf);
  }

  #rankOf(error: TunnelError): number {
    const place = placeOf(error);
    return place ? this.rankOf(place) : Infinity;
  }

  /** A number that sorts places in the reading order of their sources. */
  rankOf({ source, offset }: Place): number {
    // The factor is larger than any source's length.
    return this.#sources.indexOf(source) * 2 ** 32 + offset;
  }
}

/** An error as a problem. */
export function problemOf(error: TunnelError): Problem {
  const directive = directives.get(error);
  const { message, cause } = error;
  return { message, ...(directive !== undefined && { directive }), ...(cause !== undefined && { cause }) };
}
