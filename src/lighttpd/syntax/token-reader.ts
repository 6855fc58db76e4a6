import { failAt, type Place, type Source } from './source.js';
import { Tokenizer, type Token } from './tokenizer.js';

/** Reads the tokens of a source one by one, and checks them against the grammar. */
export class TokenReader {
  readonly #tokens: Tokenizer;

  constructor(source: Source) {
    this.#tokens = new Tokenizer(source);
  }

  peek(): Token {
    return this.#tokens.peek();
  }

  next(): Token {
    return this.#tokens.next();
  }

  /** The next token, which must be the sign. */
  expect(sign: string, message = `expected ${sign}`): Token {
    const token = this.next();
    return isSign(token, sign) ? token : failAt(token, `${message}, found ${tokenName(token)}`);
  }

  skipNewlines(): void {
    while (this.peek().kind === 'newline') this.next();
  }
}

/** The place of a token or node, without its other properties. */
export function onlyPlace({ source, offset }: Place): Place {
  return { source, offset };
}

export function isSign(token: Token, sign: string): boolean {
  return token.kind === 'sign' && token.text === sign;
}

/** For messages. Of a string only the kind is named, since the text may be a secret. */
export function tokenName({ kind, text }: Token): string {
  if (kind === 'string') return 'a string';
  if (kind === 'newline') return 'the end of the line';
  if (kind === 'end') return 'the end of the text';
  return `"${text.length > 40 ? `${text.slice(0, 40)}...` : text}"`;
}
