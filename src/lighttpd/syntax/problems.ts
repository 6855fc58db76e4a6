import { TunnelError } from '../../errors.js';
import { isFatal, placeOf, type Place, type Source } from './source.js';

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Begins with `file:line:column`. */
  readonly message: string;
  /** The directive that may be passed over knowingly, where it is one. */
  readonly directive?: string;
  readonly cause?: unknown;
}

/** More of them say nothing new. */
const MOST = 100;

const directives = new WeakMap<TunnelError, string>();

/** Marks what is wrong as a directive that may be passed over. */
export function asDirective(error: TunnelError, name: string): TunnelError {
  directives.set(error, name);
  return error;
}

/** Collects what is wrong with a configuration, so that one reading reports all of it. */
export class Problems {
  readonly #errors: TunnelError[] = [];
  /** In the order in which they were opened. */
  readonly #sources: Source[] = [];

  /** A text of the configuration: its problems come after those of texts that were opened before. */
  open(source: Source): void {
    this.#sources.push(source);
  }

  /** Whether a text, or a part of one, could not be read: what seems to be missing may stand in there. */
  isIncomplete = false;

  /** Runs a part of the reading; undefined where something is wrong in it. */
  try<Result>(part: () => Result): Result | undefined {
    try {
      return part();
    } catch (error) {
      this.add(error);
      return undefined;
    }
  }

  /** Keeps an error of the configuration; throws every other one. */
  add(error: unknown): void {
    if (!(error instanceof TunnelError) || isFatal(error) || this.#errors.length >= MOST) throw error;
    this.#errors.push(error);
  }

  /** In the order of the texts, each once. */
  get all(): readonly Problem[] {
    const errors = [...this.#errors].sort((one, other) => this.#rankOf(one) - this.#rankOf(other));
    const byMessage = new Map(errors.map((error) => [error.message, error]));
    return Array.from(byMessage.values(), problemOf);
  }

  #rankOf(error: TunnelError): number {
    const place = placeOf(error);
    return place ? this.rankOf(place) : Infinity;
  }

  /** Orders places as the texts are read. */
  rankOf({ source, offset }: Place): number {
    // Above the length of any text.
    return this.#sources.indexOf(source) * 2 ** 32 + offset;
  }
}

/** An error as a problem. */
export function problemOf(error: TunnelError): Problem {
  const directive = directives.get(error);
  const { message, cause } = error;
  return { message, ...(directive !== undefined && { directive }), ...(cause !== undefined && { cause }) };
}
