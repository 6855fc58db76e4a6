import { failAt, type Place, type Source } from './source.js';

export type TokenKind = 'word' | 'string' | 'number' | 'sign' | 'newline' | 'end';

export interface Token extends Place {
  readonly kind: TokenKind;
  /** Of a string what is between its quotes, without the backslashes of `\"`. */
  readonly text: string;
}

/** lighttpd's separators: blank, tab, and the no-break space that web pages put into examples. */
const BLANK = /[ \t\u00a0]+/y;
const NEWLINE = /(?:\r\n|\r|\n)/y;
const COMMENT = /#[^\r\n]*/y;
const NUMBER = /\d+/y;
const WORD = /[A-Za-z0-9._-]+/y;
const SIGN = /\+=|:=|==|=~|=\^|=\$|=>|!=|!~|[=+(){}[\],$]/y;

/** Takes a text apart as `config_tokenizer` of lighttpd's src/configfile.c does. Each character is looked at once. */
export class Tokenizer {
  readonly source: Source;
  #offset = 0;
  #parens = 0;
  #ahead: Token | undefined;

  constructor(source: Source) {
    this.source = source;
    const nul = source.text.indexOf('\0');
    // lighttpd takes it for the end of the file: what follows would be left out without a word.
    if (nul !== -1) failAt({ source, offset: nul }, 'a NUL character; this is no configuration text');
  }

  peek(): Token {
    return (this.#ahead ??= this.#read());
  }

  next(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  #read(): Token {
    for (;;) {
      const offset = this.#offset;
      if (offset >= this.source.text.length) return this.#token('end', offset, '');
      if (this.#take(BLANK) !== undefined || this.#take(COMMENT) !== undefined) continue;
      if (this.#take(NEWLINE) !== undefined) {
        if (this.#parens === 0) return this.#token('newline', offset, '\n');
        continue;
      }
      if (this.source.text[offset] === '"') return this.#string(offset);
      const number = this.#take(NUMBER);
      if (number !== undefined) return this.#token('number', offset, number);
      const word = this.#take(WORD);
      if (word !== undefined) return this.#token('word', offset, word);
      const sign = this.#take(SIGN);
      if (sign === undefined) this.#unexpected(offset);
      // Outside of parentheses lighttpd passes over commas.
      if (sign === ',' && this.#parens === 0) continue;
      if (sign === '(') this.#parens++;
      if (sign === ')') this.#parens = Math.max(0, this.#parens - 1);
      return this.#token('sign', offset, sign);
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.source.text)?.[0];
    if (found !== undefined) this.#offset += found.length;
    return found;
  }

  /** Only `\"` is an escape; a string may hold newlines. */
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
    return failAt({ source: this.source, offset }, `the character ${shown} can't stand here`);
  }
}
