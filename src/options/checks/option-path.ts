/**
 * The position of a value in an object of options: the keys and indices of the path for programs, and the path as text for
 * messages: `rules[0].server["/vnc"].port`.
 */
export class OptionPath {
  /** From the outermost object inwards. */
  readonly keys: readonly (string | number)[];
  readonly #text: string;

  private constructor(text: string, keys: readonly (string | number)[]) {
    this.#text = text;
    this.keys = keys;
  }

  /** The whole object of options. `text` is the object's name in messages; the names of the options do not begin with `text`. */
  static whole(text: string): OptionPath {
    return new OptionPath(text, []);
  }

  static of(name: OptionRef): OptionPath {
    return typeof name === 'string' ? new OptionPath(name, [name]) : name;
  }

  /** The value of a key, known or chosen by the user. */
  key(key: string): OptionPath {
    if (this.keys.length === 0) return new OptionPath(key, [key]);
    return new OptionPath(`${this.#text}${PLAIN.test(key) ? `.${key}` : bracketed(key)}`, [
      ...this.keys,
      key,
    ]);
  }

  /** The value of a key in an object whose keys are not option names, but paths for example. */
  entry(key: string): OptionPath {
    return new OptionPath(`${this.#text}${bracketed(key)}`, [...this.keys, key]);
  }

  /** One item of a list. */
  item(index: number): OptionPath {
    return new OptionPath(`${this.#text}[${index}]`, [...this.keys, index]);
  }

  /** A sentence about the value, for messages; without a subject if the path has no text. */
  sentence(predicate: string): string {
    return this.#text === '' ? predicate : `${this.#text} ${predicate}`;
  }

  toString(): string {
    return this.#text;
  }
}

/** The name of an option at the top, or the path of an option inside another. */
export type OptionRef = string | OptionPath;

/** Keys that need no quotes. */
const PLAIN = /^[\w-]+$/;

function bracketed(key: string): string {
  return `[${JSON.stringify(key)}]`;
}
