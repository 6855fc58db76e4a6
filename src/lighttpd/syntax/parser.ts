import { failAt, type Place, type Source } from './source.js';
import { Tokenizer, type Token } from './tokenizer.js';
import type { Branch, Expression, ListEntry, Operator, Statement } from './tree.js';

/** Parentheses, and blocks, inside each other. */
export const MAX_NESTING = 30;

const OPERATORS: readonly string[] = ['==', '!=', '=~', '!~', '=^', '=$'] satisfies readonly Operator[];
const ASSIGNMENTS: readonly string[] = ['=', '+=', ':='];
const ELSE: readonly string[] = ['else', 'elif', 'elsif', 'elseif'];

/**
 * The grammar of lighttpd's src/configparser.y. lighttpd's parser drops a token that fits nowhere and goes on: half a line may
 * be missing without a word. Here it is an error, but for the newlines that people put before a brace or behind an equal sign.
 */
export function parseConf(source: Source): ParseResult {
  const statements: Statement[] = [];
  try {
    new Parser(source).file(statements);
  } catch (error) {
    return { statements, error };
  }
  return { statements };
}

/** With an error: the statements before it. */
export interface ParseResult {
  readonly statements: readonly Statement[];
  readonly error?: unknown;
}

class Parser {
  readonly #tokens: Tokenizer;
  #parens = 0;
  #blocks = 0;

  constructor(source: Source) {
    this.#tokens = new Tokenizer(source);
  }

  file(statements: Statement[]): void {
    this.#statements(statements);
    const token = this.#tokens.next();
    if (token.kind !== 'end') failAt(token, 'this brace closes nothing');
  }

  #statements(statements: Statement[] = []): Statement[] {
    for (;;) {
      this.#skipNewlines();
      const token = this.#tokens.peek();
      if (token.kind === 'end' || isSign(token, '}')) return statements;
      statements.push(this.#statement());
    }
  }

  #statement(): Statement {
    const token = this.#tokens.next();
    if (isSign(token, '$')) return this.#branches(token);
    if (token.kind !== 'word') return failAt(token, `${nameOf(token)} can't begin a line`);
    const { text } = token;
    if (text === 'if') return this.#branches(this.#expect('$'));
    if (ELSE.includes(text)) return failAt(token, `"${text}" follows no condition`);
    if (text === 'global') return { ...placeOf(token), kind: 'global', body: this.#block() };
    if (text === 'include' || text === 'include_shell') {
      this.#skipNewlines();
      const path = this.#expression();
      return text === 'include'
        ? { ...placeOf(token), kind: 'include', path }
        : { ...placeOf(token), kind: 'include_shell' };
    }
    return this.#assignment(token);
  }

  #assignment(name: Token): Statement {
    this.#skipNewlines();
    const operator = this.#tokens.next();
    if (operator.kind !== 'sign' || !ASSIGNMENTS.includes(operator.text))
      failAt(operator, `expected =, += or := behind ${name.text}, found ${nameOf(operator)}`);
    this.#skipNewlines();
    const value = this.#expression();
    return {
      ...placeOf(name),
      kind: 'assign',
      name: name.text,
      operator: operator.text as '=' | '+=' | ':=',
      value,
    };
  }

  #branches(dollar: Token): Statement {
    const branches: Branch[] = [this.#branch(dollar)];
    for (;;) {
      this.#skipNewlines();
      const token = this.#tokens.peek();
      if (token.kind !== 'word' || !ELSE.includes(token.text))
        return { ...placeOf(dollar), kind: 'branches', branches };
      this.#tokens.next();
      this.#skipNewlines();
      if (isWord(this.#tokens.peek(), 'if')) this.#tokens.next();
      if (isSign(this.#tokens.peek(), '$')) branches.push(this.#branch(this.#tokens.next()));
      else if (token.text === 'else') branches.push({ ...placeOf(token), body: this.#block() });
      else failAt(token, `"${token.text}" needs a condition`);
    }
  }

  #branch(dollar: Token): Branch {
    const object = this.#tokens.next();
    if (object.kind !== 'word') failAt(object, 'expected a name such as HTTP behind $');
    this.#expect('[');
    const field = this.#expression();
    this.#expect(']');
    const operator = this.#tokens.next();
    if (operator.kind !== 'sign' || !OPERATORS.includes(operator.text))
      failAt(operator, `a condition compares by ${OPERATORS.join(' ')}, not by ${nameOf(operator)}`);
    const value = this.#expression();
    const place = placeOf(dollar);
    const condition = {
      ...place,
      object: object.text,
      field,
      operator: operator.text as Operator,
      value,
    };
    return { ...place, condition, body: this.#block() };
  }

  #block(): Statement[] {
    this.#skipNewlines();
    const brace = this.#expect('{');
    if (++this.#blocks > MAX_NESTING) failAt(brace, `more than ${MAX_NESTING} blocks inside each other`);
    const statements = this.#statements();
    const end = this.#tokens.next();
    if (!isSign(end, '}')) failAt(brace, 'this block has no closing brace');
    this.#blocks--;
    return statements;
  }

  #expression(): Expression {
    const first = this.#value();
    const parts = [first];
    while (isSign(this.#tokens.peek(), '+')) {
      this.#tokens.next();
      this.#skipNewlines();
      parts.push(this.#value());
    }
    return parts.length === 1 ? first : { ...placeOf(first), kind: 'sum', parts };
  }

  #value(): Expression {
    const token = this.#tokens.next();
    const place = placeOf(token);
    if (token.kind === 'string') return { ...place, kind: 'string', text: token.text };
    if (token.kind === 'number') {
      const number = Number(token.text);
      // lighttpd cuts larger ones to 32 bits.
      if (number > 0x7fffffff) failAt(token, 'this number is above 2147483647');
      return { ...place, kind: 'number', number };
    }
    if (token.kind === 'word') {
      if (this.#tokens.peek().kind === 'word')
        failAt(this.#tokens.peek(), `expected + or a new line behind ${token.text}`);
      return { ...place, kind: 'name', name: token.text };
    }
    if (isSign(token, '(')) return { ...place, kind: 'list', entries: this.#entries(token) };
    return failAt(token, `expected a value, found ${nameOf(token)}`);
  }

  #entries(open: Token): ListEntry[] {
    if (++this.#parens > MAX_NESTING) failAt(open, `more than ${MAX_NESTING} lists inside each other`);
    const entries: ListEntry[] = [];
    while (!isSign(this.#tokens.peek(), ')')) {
      entries.push(this.#entry());
      if (this.#tokens.peek().kind === 'end') failAt(open, 'this list has no closing parenthesis');
      if (!isSign(this.#tokens.peek(), ')')) this.#expect(',', 'expected a comma or ) in this list');
      while (isSign(this.#tokens.peek(), ',')) this.#tokens.next();
    }
    this.#tokens.next();
    this.#parens--;
    return entries;
  }

  #entry(): ListEntry {
    const value = this.#expression();
    if (!isSign(this.#tokens.peek(), '=>')) return { value };
    this.#tokens.next();
    return { key: value, value: this.#expression() };
  }

  #expect(sign: string, message = `expected ${sign}`): Token {
    const token = this.#tokens.next();
    return isSign(token, sign) ? token : failAt(token, `${message}, found ${nameOf(token)}`);
  }

  #skipNewlines(): void {
    while (this.#tokens.peek().kind === 'newline') this.#tokens.next();
  }
}

function placeOf({ source, offset }: Place): Place {
  return { source, offset };
}

function isSign(token: Token, sign: string): boolean {
  return token.kind === 'sign' && token.text === sign;
}

function isWord(token: Token, word: string): boolean {
  return token.kind === 'word' && token.text === word;
}

/** Strings may be secret: only their kind is named. */
function nameOf({ kind, text }: Token): string {
  if (kind === 'string') return 'a string';
  if (kind === 'newline') return 'the end of the line';
  if (kind === 'end') return 'the end of the text';
  return `"${text.length > 40 ? `${text.slice(0, 40)}...` : text}"`;
}
