import { messageOf, TunnelError } from '../../errors.js';
import type { IncludedText } from '../include/read-includes.js';
import { parseConf } from '../syntax/parser.js';
import { asDirective, type Problems } from '../syntax/problems.js';
import { errorAt, failAt, fileAndLine, type Place, type Source } from '../syntax/source.js';
import type { Branch, ConditionSyntax, Expression, Statement } from '../syntax/tree.js';
import { BlockTree } from './block-tree.js';
import { newBlock, type Block, type ConditionText } from './blocks.js';
import {
  evaluateExpression,
  findValue,
  fullName,
  missingVariableOf,
  type Environment,
} from './expressions.js';
import { SourceStack } from './source-stack.js';
import { addValues, foldCase, textOf, type Value } from './values.js';

/** The settings of an evaluation, besides the text. */
export interface EvaluationContext {
  readonly include: ((path: string) => string | readonly IncludedText[]) | undefined;
  readonly environment: Environment;
  /** May the `include_shell` at this place be skipped? */
  readonly ignoresShell: (place: Place) => boolean;
  /** For the message: what to do instead of `include_shell`. */
  readonly insteadOfShell: string;
  readonly problems: Problems;
}

/** Runs the statements of a source and of its includes, like lighttpd's src/configparser.y. */
export function evaluate(source: Source, context: EvaluationContext): Block {
  return new Evaluation(source, context).run();
}

class Evaluation {
  readonly #main: Source;
  readonly #context: EvaluationContext;
  readonly #tree: BlockTree;
  readonly #sources = new SourceStack();
  #inGlobal = false;
  /** Variables with an invalid assignment: a use of such a variable is not reported as a second problem. */
  readonly #withoutValue = new Set<string>();

  constructor(main: Source, context: EvaluationContext) {
    this.#main = main;
    this.#context = context;
    this.#tree = new BlockTree(rootOf(main));
  }

  run(): Block {
    const { root } = this.#tree;
    this.#source(this.#main, { source: this.#main, offset: 0 }, root);
    return root;
  }

  #source(source: Source, place: Place, block: Block): void {
    const { problems } = this.#context;
    this.#sources.push(source, place);
    problems.open(source);
    const { statements, error } = parseConf(source);
    this.#run(statements, block);
    if (error !== undefined) {
      problems.add(error);
      problems.isIncomplete = true;
    }
    this.#sources.pop();
  }

  #run(statements: readonly Statement[], block: Block): void {
    for (const statement of statements)
      try {
        this.#statement(statement, block);
      } catch (error) {
        this.#report(error, statement);
      }
  }

  /** Reports an error, unless the error only follows from a problem that is already reported. */
  #report(error: unknown, statement: Statement): void {
    const { problems } = this.#context;
    if (statement.kind === 'assign') this.#withoutValue.add(foldCase(fullName(statement.name)));
    if (statement.kind === 'include' || statement.kind === 'include_shell') problems.isIncomplete = true;
    const variable = error instanceof TunnelError ? missingVariableOf(error) : undefined;
    if (variable !== undefined && (problems.isIncomplete || this.#withoutValue.has(variable))) return;
    problems.add(error);
  }

  #statement(statement: Statement, block: Block): void {
    switch (statement.kind) {
      case 'assign':
        this.#assign(statement, block);
        return;
      case 'include':
        this.#include(statement, block);
        return;
      case 'include_shell':
        if (this.#context.ignoresShell(statement)) return;
        throw asDirective(
          errorAt(statement, `include_shell is never run: ${this.#context.insteadOfShell}`),
          'include_shell',
        );
      case 'global':
        this.#global(statement, statement.body);
        return;
      case 'branches':
        if (this.#inGlobal) failAt(statement, 'lighttpd allows no condition inside global { }');
        this.#branches(statement.branches, block);
        return;
    }
  }

  #global(place: Place, body: readonly Statement[]): void {
    if (this.#inGlobal) failAt(place, 'lighttpd allows no global { } inside another');
    this.#inGlobal = true;
    try {
      this.#run(body, this.#tree.root);
    } finally {
      this.#inGlobal = false;
    }
  }

  #assign(statement: Extract<Statement, { kind: 'assign' }>, block: Block): void {
    const name = fullName(statement.name);
    const key = foldCase(name);
    if (key.startsWith('env.')) failAt(statement, `${name}: an environment variable can't be assigned`);
    const value = this.#value(statement.value, block);
    const own = block.settings.get(key);
    if (statement.operator === '=' && own)
      failAt(
        statement,
        `${name} is already set in ${fileAndLine(own)}: use := to replace the value or += to add to it`,
      );
    const before = statement.operator === '+=' ? findValue(key, block) : undefined;
    const { source, offset } = statement;
    // An assignment moves a setting to the end, as in lighttpd.
    block.settings.delete(key);
    block.settings.set(key, { source, offset, name, value: before ? addValues(before, value) : value });
  }

  #include(statement: Extract<Statement, { kind: 'include' }>, block: Block): void {
    const path = textOf(this.#value(statement.path, block));
    const { include } = this.#context;
    if (!include)
      return failAt(
        statement,
        `can't include ${JSON.stringify(path)}: set the option include to true, or to a function that returns the text for a path`,
      );
    let included: unknown;
    try {
      included = include(path);
    } catch (error) {
      return failAt(statement, `can't include ${JSON.stringify(path)}: ${messageOf(error)}`, error);
    }
    for (const { file, text } of textsOf(included, path, statement)) {
      const source = { name: file, text };
      this.#sources.checkLoop(source, statement);
      this.#source(source, statement, block);
    }
  }

  #branches(branches: readonly Branch[], parent: Block): void {
    let before: Block | undefined;
    for (const { condition: syntax, body, source, offset } of branches) {
      const place = { source, offset };
      const condition = syntax && this.#condition(syntax, parent);
      const block = before
        ? this.#tree.otherwise(before, place, condition)
        : this.#tree.enter(parent, place, condition);
      this.#run(body, block);
      before = block;
    }
  }

  #condition(syntax: ConditionSyntax, block: Block): ConditionText {
    const { object, operator, source, offset } = syntax;
    const field = textOf(this.#value(syntax.field, block));
    const value = this.#value(syntax.value, block);
    if (value.kind !== 'string') return failAt(value, 'a condition can only be compared with a string');
    return { source, offset, object, field, operator, text: value.text };
  }

  #value(expression: Expression, block: Block): Value {
    return evaluateExpression(expression, block, this.#context.environment);
  }
}

/** The outermost block, with lighttpd's predefined variables. */
function rootOf(source: Source): Block {
  const place = { source, offset: 0 };
  const root = newBlock(place, undefined, undefined);
  const preset = (name: string, value: Value) => root.settings.set(name, { ...value, name, value });
  preset('var.cwd', { ...place, kind: 'string', text: process.cwd() });
  preset('var.pid', { ...place, kind: 'number', number: process.pid });
  return root;
}

/** The text of an include that returned a string; otherwise each text with its file name. */
function textsOf(included: unknown, path: string, place: Place): readonly IncludedText[] {
  const isText = (one: unknown): one is IncludedText => {
    const { file, text } = (one ?? {}) as Partial<IncludedText>;
    return typeof file === 'string' && typeof text === 'string';
  };
  if (typeof included === 'string') return [{ file: path, text: included }];
  if (Array.isArray(included) && included.every(isText)) return included;
  return failAt(
    place,
    `include(${JSON.stringify(path)}) must return the text as a string, or a list of { file, text }`,
  );
}
