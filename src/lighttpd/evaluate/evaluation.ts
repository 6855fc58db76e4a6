import { resolve } from 'node:path';
import { messageOf, TunnelError } from '../../errors.js';
import { conditionKey, newBlock, type Block, type ConditionText } from './blocks.js';
import {
  findValue,
  fullName,
  missingVariableOf,
  evaluateExpression,
  type Environment,
} from './expressions.js';
import type { IncludedText } from '../include/read-includes.js';
import { asDirective, type Problems } from '../syntax/problems.js';
import {
  errorAt,
  failAt,
  fileAndLine,
  MAX_CONFIGURATION_LENGTH,
  stopAt,
  type Place,
  type Source,
} from '../syntax/source.js';
import { parseConf } from '../syntax/parser.js';
import type { Branch, ConditionSyntax, Expression, Operator, Statement } from '../syntax/tree.js';
import { addValues, foldCase, textOf, type Value } from './values.js';

export interface EvaluationContext {
  readonly include: ((path: string) => string | readonly IncludedText[]) | undefined;
  readonly environment: Environment;
  /** May `include_shell` be passed over at this place? */
  readonly ignoresShell: (place: Place) => boolean;
  /** What to do in its place. */
  readonly insteadOfShell: string;
  readonly problems: Problems;
}

const MAX_INCLUDES = 16;
/** lighttpd takes 4096; each costs an examination here. */
const MAX_CONDITIONS = 1000;

/** Runs the statements of a text and of what it includes: lighttpd's src/configparser.y. */
export function evaluate(source: Source, surroundings: EvaluationContext): Block {
  return new Evaluation(surroundings).file(source);
}

class Evaluation {
  readonly #surroundings: EvaluationContext;
  readonly #sources: Source[] = [];
  #length = 0;
  #conditions = 0;
  #root: Block | undefined;
  #latest: Block | undefined;
  #inGlobal = false;
  /** Variables whose assignment was wrong: that they have no value is no further problem. */
  readonly #withoutValue = new Set<string>();

  constructor(surroundings: EvaluationContext) {
    this.#surroundings = surroundings;
  }

  file(source: Source): Block {
    const root = newBlock({ source, offset: 0 }, undefined, undefined);
    const preset = (name: string, value: Value) => root.settings.set(name, { ...value, name, value });
    preset('var.cwd', { source, offset: 0, kind: 'string', text: process.cwd() });
    preset('var.pid', { source, offset: 0, kind: 'number', number: process.pid });
    this.#root = root;
    this.#latest = root;
    this.#text(source, { source, offset: 0 }, root);
    return root;
  }

  #text(source: Source, place: Place, block: Block): void {
    this.#length += source.text.length;
    if (this.#length > MAX_CONFIGURATION_LENGTH)
      stopAt(place, `more than ${MAX_CONFIGURATION_LENGTH} characters in all; this is no configuration`);
    this.#sources.push(source);
    if (this.#sources.length > MAX_INCLUDES)
      stopAt(place, `more than ${MAX_INCLUDES} files that include each other`);
    this.#surroundings.problems.open(source);
    const { statements, error } = parseConf(source);
    this.#run(statements, block);
    if (error !== undefined) {
      this.#surroundings.problems.add(error);
      this.#surroundings.problems.isIncomplete = true;
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

  /** What follows from a problem that is known already is none of its own. */
  #report(error: unknown, statement: Statement): void {
    if (statement.kind === 'assign') this.#withoutValue.add(foldCase(fullName(statement.name)));
    if (statement.kind === 'include' || statement.kind === 'include_shell')
      this.#surroundings.problems.isIncomplete = true;
    const name = error instanceof TunnelError ? missingVariableOf(error) : undefined;
    if (name !== undefined && (this.#surroundings.problems.isIncomplete || this.#withoutValue.has(name)))
      return;
    this.#surroundings.problems.add(error);
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
        if (this.#surroundings.ignoresShell(statement)) return;
        throw asDirective(
          errorAt(statement, `include_shell is never run; ${this.#surroundings.insteadOfShell}`),
          'include_shell',
        );
      case 'global':
        this.#global(statement, statement.body);
        return;
      case 'branches':
        if (this.#inGlobal) failAt(statement, 'lighttpd takes no condition inside global { }');
        this.#branches(statement.branches, block);
        return;
    }
  }

  #global(place: Place, body: readonly Statement[]): void {
    if (this.#inGlobal) failAt(place, 'lighttpd takes no global { } inside another');
    this.#inGlobal = true;
    try {
      if (this.#root) this.#run(body, this.#root);
    } finally {
      this.#inGlobal = false;
    }
  }

  #assign(statement: Extract<Statement, { kind: 'assign' }>, block: Block): void {
    const name = fullName(statement.name);
    const key = foldCase(name);
    if (key.startsWith('env.')) failAt(statement, `${name}: the environment can't be assigned to`);
    const value = this.#value(statement.value, block);
    const own = block.settings.get(key);
    if (statement.operator === '=' && own)
      failAt(statement, `${name} is already set in ${fileAndLine(own)}; := replaces it and += adds to it`);
    const before = statement.operator === '+=' ? findValue(key, block) : undefined;
    const { source, offset } = statement;
    // To the end, as lighttpd has it.
    block.settings.delete(key);
    block.settings.set(key, { source, offset, name, value: before ? addValues(before, value) : value });
  }

  #include(statement: Extract<Statement, { kind: 'include' }>, block: Block): void {
    const path = textOf(this.#value(statement.path, block));
    const { include } = this.#surroundings;
    if (!include)
      return failAt(
        statement,
        `can't include ${JSON.stringify(path)}: give the option include, true or a function from this path to the text`,
      );
    let included: unknown;
    try {
      included = include(path);
    } catch (error) {
      return failAt(statement, `can't include ${JSON.stringify(path)}: ${messageOf(error)}`, error);
    }
    for (const { file, text } of textsOf(included, path, statement)) {
      this.#checkLoop(file, text, statement);
      this.#text({ name: file, text }, statement, block);
    }
  }

  /** Of a file that is read once more, the first assignment would be reported as there already. */
  #checkLoop(file: string, text: string, place: Place): void {
    const isSame = (one: Source) => one.text === text && resolve(one.name) === resolve(file);
    const first = this.#sources.findIndex(isSame);
    if (first === -1) return;
    const names = [...this.#sources.slice(first).map(({ name }) => name), file];
    failAt(place, `a loop of files that include each other: ${names.join(' -> ')}`);
  }

  #branches(branches: readonly Branch[], parent: Block): void {
    let before: Block | undefined;
    for (const { condition, body, source, offset } of branches) {
      const place = { source, offset };
      const block = before
        ? this.#otherwise(before, place, condition && this.#condition(condition, parent))
        : this.#enter(parent, place, condition && this.#condition(condition, parent));
      this.#run(body, block);
      before = block;
    }
  }

  #condition(syntax: ConditionSyntax, block: Block): ConditionText {
    const { object, operator, source, offset } = syntax;
    const field = textOf(this.#value(syntax.field, block));
    const value = this.#value(syntax.value, block);
    if (value.kind !== 'string') return failAt(value, 'a condition compares with a string');
    return { source, offset, object, field, operator, text: value.text };
  }

  #enter(parent: Block, place: Place, condition: ConditionText | undefined): Block {
    const key = conditionKey(condition);
    const known = parent.known.get(key);
    // There what stands in the second block holds where the first one's condition does.
    if (known?.condition && known.condition.text !== condition?.text)
      failAt(
        place,
        `lighttpd takes this condition for the one in ${fileAndLine(known)}, which differs by upper and lower case alone; join the two`,
      );
    if (known) return known;
    this.#checkOrder(parent, place);
    const block = this.#create(parent, place, condition, key);
    parent.children.push(block);
    return block;
  }

  #otherwise(before: Block, place: Place, condition: ConditionText | undefined): Block {
    const parent = before.parent ?? before;
    const { condition: last } = before;
    if (!last) return failAt(place, 'nothing can follow an else without condition');
    // A bare else is the condition before it turned round, and found again under that.
    const key = condition
      ? conditionKey(condition)
      : conditionKey({ ...last, operator: OPPOSITE[last.operator] });
    if (before.next || parent.known.has(key))
      failAt(place, 'this branch was there before, as a condition or another else; join the two');
    this.#checkOrder(before, place);
    const block = this.#create(parent, place, condition, key);
    before.next = block;
    return block;
  }

  #create(parent: Block, place: Place, condition: ConditionText | undefined, key: string): Block {
    if (++this.#conditions > MAX_CONDITIONS) stopAt(place, `more than ${MAX_CONDITIONS} conditions`);
    const block = newBlock(place, parent, condition);
    parent.known.set(key, block);
    this.#latest = block;
    return block;
  }

  /**
   * lighttpd applies conditions in the order in which they first appear. Inside a block that was opened again, after others,
   * a new one would come after those others, and a tree of rules can't say that.
   */
  #checkOrder(block: Block, place: Place): void {
    let one = this.#latest;
    while (one && one !== block) one = one.parent;
    if (!one)
      failAt(
        place,
        `a condition inside one that was opened before, in ${fileAndLine(block)}; join the two blocks into one`,
      );
  }

  #value(expression: Expression, block: Block): Value {
    return evaluateExpression(expression, block, this.#surroundings.environment);
  }
}

/** The text of one include, or each with the name of its file. */
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

const OPPOSITE: Readonly<Record<Operator, string>> = {
  '==': '!=',
  '!=': '==',
  '=~': '!~',
  '!~': '=~',
  '=^': '!^',
  '=$': '!$',
};
