import { failAt } from './source.js';
import { isSign, onlyPlace, tokenName, type TokenReader } from './token-reader.js';
import type { Token } from './tokenizer.js';
import type { Expression, ListEntry } from './tree.js';

/** Limit for lists inside lists, and for blocks inside blocks. */
export const MAX_NESTING = 30;

/** Parses values: strings, numbers, names, lists, and sums of them. */
export class ExpressionParser {
  readonly #tokens: TokenReader;
  /** Lists that are open at the current token. */
  #openLists = 0;

  constructor(tokens: TokenReader) {
    this.#tokens = tokens;
  }

  expression(): Expression {
    const first = this.#value();
    const parts = [first];
    while (isSign(this.#tokens.peek(), '+')) {
      this.#tokens.next();
      this.#tokens.skipNewlines();
      parts.push(this.#value());
    }
    return parts.length === 1 ? first : { ...onlyPlace(first), kind: 'sum', parts };
  }

  #value(): Expression {
    const token = this.#tokens.next();
    const place = onlyPlace(token);
    if (token.kind === 'string') return { ...place, kind: 'string', text: token.text };
    if (token.kind === 'number') {
      const number = Number(token.text);
      // lighttpd truncates larger numbers to 32 bits.
      if (number > 0x7fffffff) failAt(token, 'this number is above 2147483647');
      return { ...place, kind: 'number', number };
    }
    if (token.kind === 'word') {
      if (this.#tokens.peek().kind === 'word')
        failAt(this.#tokens.peek(), `expected + or a new line after ${token.text}`);
      return { ...place, kind: 'name', name: token.text };
    }
    if (isSign(token, '(')) return { ...place, kind: 'list', entries: this.#entries(token) };
    return failAt(token, `expected a value, found ${tokenName(token)}`);
  }

  #entries(open: Token): ListEntry[] {
    if (++this.#openLists > MAX_NESTING) failAt(open, `lists are nested more than ${MAX_NESTING} deep`);
    const entries: ListEntry[] = [];
    while (!isSign(this.#tokens.peek(), ')')) {
      entries.push(this.#entry());
      if (this.#tokens.peek().kind === 'end') failAt(open, 'this list has no closing parenthesis');
      if (!isSign(this.#tokens.peek(), ')')) this.#tokens.expect(',', 'expected a comma or ) in this list');
      while (isSign(this.#tokens.peek(), ',')) this.#tokens.next();
    }
    this.#tokens.next();
    this.#openLists--;
    return entries;
  }

  #entry(): ListEntry {
    const value = this.expression();
    if (!isSign(this.#tokens.peek(), '=>')) return { value };
    this.#tokens.next();
    return { key: value, value: this.expression() };
  }
}
