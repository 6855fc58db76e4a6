import { ExpressionParser, MAX_NESTING } from './expression-parser.js';
import { failAt, type Source } from './source.js';
import { isSign, onlyPlace, tokenName, TokenReader } from './token-reader.js';
import type { Token } from './tokenizer.js';
import type { Branch, Operator, Statement } from './tree.js';

const OPERATORS: readonly string[] = ['==', '!=', '=~', '!~', '=^', '=$'] satisfies readonly Operator[];
const ASSIGNMENTS: readonly string[] = ['=', '+=', ':='];
const ELSE: readonly string[] = ['else', 'elif', 'elsif', 'elseif'];

/**
 * The grammar of lighttpd's src/configparser.y, with one difference: lighttpd's parser drops an unexpected token and continues, so
 * half a line may be lost without a message. Here an unexpected token is an error. Newlines before a brace or after an equal sign
 * are allowed, since many configurations have such newlines.
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

interface ParseResult {
  /** After an error: the statements before it. */
  readonly statements: readonly Statement[];
  readonly error?: unknown;
}

class Parser {
  readonly #tokens: TokenReader;
  readonly #expressions: ExpressionParser;
  /** Blocks that are open at the current token. */
  #openBlocks = 0;

  constructor(source: Source) {
    this.#tokens = new TokenReader(source);
    this.#expressions = new ExpressionParser(this.#tokens);
  }

  file(statements: Statement[]): void {
    this.#statements(statements);
    const token = this.#tokens.next();
    if (token.kind !== 'end') failAt(token, 'this closing brace has no opening brace');
  }

  #statements(statements: Statement[] = []): Statement[] {
    for (;;) {
      this.#tokens.skipNewlines();
      const token = this.#tokens.peek();
      if (token.kind === 'end' || isSign(token, '}')) return statements;
      statements.push(this.#statement());
    }
  }

  #statement(): Statement {
    const token = this.#tokens.next();
    if (isSign(token, '$')) return this.#branches(token);
    if (token.kind !== 'word') return failAt(token, `a line can't begin with ${tokenName(token)}`);
    const { text } = token;
    if (text === 'if') return this.#branches(this.#tokens.expect('$'));
    if (ELSE.includes(text)) return failAt(token, `"${text}" must follow a condition`);
    if (text === 'global') return { ...onlyPlace(token), kind: 'global', body: this.#block() };
    if (text === 'include' || text === 'include_shell') {
      this.#tokens.skipNewlines();
      const path = this.#expressions.expression();
      return text === 'include'
        ? { ...onlyPlace(token), kind: 'include', path }
        : { ...onlyPlace(token), kind: 'include_shell' };
    }
    return this.#assignment(token);
  }

  #assignment(name: Token): Statement {
    this.#tokens.skipNewlines();
    const operator = this.#tokens.next();
    if (operator.kind !== 'sign' || !ASSIGNMENTS.includes(operator.text))
      failAt(operator, `expected =, += or := after ${name.text}, found ${tokenName(operator)}`);
    this.#tokens.skipNewlines();
    const value = this.#expressions.expression();
    return {
      ...onlyPlace(name),
      kind: 'assign',
      name: name.text,
      operator: operator.text as '=' | '+=' | ':=',
      value,
    };
  }

  #branches(dollar: Token): Statement {
    const branches: Branch[] = [this.#branch(dollar)];
    for (;;) {
      this.#tokens.skipNewlines();
      const token = this.#tokens.peek();
      if (token.kind !== 'word' || !ELSE.includes(token.text))
        return { ...onlyPlace(dollar), kind: 'branches', branches };
      this.#tokens.next();
      this.#tokens.skipNewlines();
      const next = this.#tokens.peek();
      if (next.kind === 'word' && next.text === 'if') this.#tokens.next();
      if (isSign(this.#tokens.peek(), '$')) branches.push(this.#branch(this.#tokens.next()));
      else if (token.text === 'else') branches.push({ ...onlyPlace(token), body: this.#block() });
      else failAt(token, `"${token.text}" needs a condition`);
    }
  }

  #branch(dollar: Token): Branch {
    const object = this.#tokens.next();
    if (object.kind !== 'word') failAt(object, 'expected a name such as HTTP after $');
    this.#tokens.expect('[');
    const field = this.#expressions.expression();
    this.#tokens.expect(']');
    const operator = this.#tokens.next();
    if (operator.kind !== 'sign' || !OPERATORS.includes(operator.text))
      failAt(operator, `expected a comparison (${OPERATORS.join(' ')}), found ${tokenName(operator)}`);
    const value = this.#expressions.expression();
    const place = onlyPlace(dollar);
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
    this.#tokens.skipNewlines();
    const brace = this.#tokens.expect('{');
    if (++this.#openBlocks > MAX_NESTING) failAt(brace, `blocks are nested more than ${MAX_NESTING} deep`);
    const statements = this.#statements();
    const end = this.#tokens.next();
    if (!isSign(end, '}')) failAt(brace, 'this block has no closing brace');
    this.#openBlocks--;
    return statements;
  }
}
