import { failAt, type Place, type Source } from './source.js';

type TokenKind = 'word' | 'string' | 'number' | 'sign' | 'newline' | 'end';

export interface Token extends Place {
  readonly kind: TokenKind;
  /** For a string: the characters between the quotes, without the backslashes of `\"`. */
  readonly text: string;
}

/** lighttpd's separators: space, tab, and the no-break space that web pages put into examples. */
const BLANK = /[ \t\u00a0]+/y;
const NEWLINE = /(?:\r\n|\r|\n)/y;
const COMMENT = /#[^\r\n]*/y;
const NUMBER = /\d+/y;
const WORD = /[A-Za-z0-9._-]+/y;
const SIGN = /\+=|:=|==|=~|=\^|=\$|=>|!=|!~|[=+(){}[\],$]/y;

/** Splits a text into tokens as `config_tokenizer` of lighttpd's src/configfile.c does, in one pass. */
export class Tokenizer {
  readonly source: Source;
  #offset = 0;
  #parens = 0;
  #peeked: Token | undefined;

  constructor(source: Source) {
    this.source = source;
    const nul = source.text.indexOf('\0');
    // For lighttpd a NUL ends the file, so the text after it would be ignored without a message.
    if (nul !== -1) failAt({ source, offset: nul }, 'a configuration must not contain a NUL character');
  }

  peek(): Token {
    return (this.#peeked ??= this.#read());
  }

  next(): Token {
    const token = this.peek();
    this.#peeked = undefined;
    return token;
  }

  #read(): Token {
    for (;;) {
      const offset = this.#offset;
      if (offset >= this.source.text.length) return this.#token('end', offset, '');
      if (this.#match(BLANK) !== undefined || this.#match(COMMENT) !== undefined) continue;
      if (this.#match(NEWLINE) !== undefined) {
        if (this.#parens === 0) return this.#token('newline', offset, '\n');
        continue;
      }
      if (this.source.text[offset] === '"') return this.#string(offset);
      const number = this.#match(NUMBER);
      if (number !== undefined) return this.#token('number', offset, number);
      const word = this.#match(WORD);
      if (word !== undefined) return this.#token('word', offset, word);
      const sign = this.#match(SIGN);
      if (sign === undefined) this.#unexpected(offset);
      // lighttpd ignores commas outside of parentheses.
      if (sign === ',' && this.#parens === 0) continue;
      if (sign === '(') this.#parens++;
      if (sign === ')') this.#parens = Math.max(0, this.#parens - 1);
      return this.#token('sign', offset, sign);
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.source.text)?.[0];
    if (found !== undefined) this.#offset += found.length;
    return found;
  }

  /** The only escape is `\"`; a string may contain newlines. */
  #string(offset: number): Token {
    const { text } = this.source;
    let end = text.indexOf('"', offset + 1);
    while (end > offset + 1 && text[end - 1] === '\\') end = text.indexOf('"', end + 1);
    if (end === -1) failAt({ source: this.source, offset }, 'this string has no closing quote');
    this.#offset = end + 1;
    return this.#token('string', offset, text.slice(offset + 1, end).replaceAll('\\"', '"'));
  }

  #token(kind: TokenKind, offset: number, text: string): Token {
    return { kind, text, source: this.source, offset };
  }

  #unexpected(offset: number): never {
    const character = String.fromCodePoint(this.source.text.codePointAt(offset) ?? 0);
    const shown = /^[!-~]$/.test(character)
      ? `"${character}"`
      : `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
    return failAt({ source: this.source, offset }, `unexpected character ${shown}`);
  }
}
