import type { Rule } from '../../types.js';
import type { Block } from '../evaluate/blocks.js';
import { ruleHeadOf } from '../conditions/request-condition.js';
import { contentsOf } from './block-contents.js';
import { readDirectives } from './read-directives.js';
import type { ReadingContext } from './reading-context.js';
import { failAt } from '../syntax/source.js';

/** The conditions inside a block as rules, in the same order. */
export function rulesOf(block: Block, context: ReadingContext): Rule[] {
  return block.children.map((child) => ruleOf(child, context)).filter((rule) => rule !== undefined);
}

/** A condition and its `else` branches as one rule. The rule is built from the last branch on, since each rule contains the next one. */
function ruleOf(first: Block, context: ReadingContext): Rule | undefined {
  const branches: Block[] = [];
  for (let one: Block | undefined = first; one; one = one.next) branches.push(one);
  return branches.reduceRight<Rule | undefined>((otherwise, block) => {
    const rules = rulesOf(block, context);
    const rule: Rule = {
      ...readDirectives(block, context),
      ...(rules.length > 0 ? { rules } : {}),
      ...(otherwise ? { else: otherwise } : {}),
    };
    const { ours, foreign } = contentsOf(block, context.reader);
    // The condition of a block with only other modules' directives is not read: we may not support the condition.
    if (!ours && foreign) return undefined;
    const { condition } = block;
    if (condition?.object === 'SERVER' && !context.problems.try(() => checkSocket(block, ours, context)))
      return undefined;
    const head = condition ? context.problems.try(() => ruleHeadOf(condition, context.notation)) : {};
    return Object.keys(rule).length === 0 ? undefined : { ...head, ...rule };
  }, undefined);
}

/** Checks a `$SERVER` condition: does its block become a rule? */
function checkSocket(
  { condition, source, offset }: Block,
  ours: boolean,
  { reader }: ReadingContext,
): boolean {
  if (condition?.field !== 'socket') failAt({ source, offset }, '$SERVER only has the field "socket"');
  if (ours && reader === 'app')
    failAt(
      { source, offset },
      'a middleware does not know on which socket a request arrived: create a second server and tunnel for this block, ' +
        'or write the block as a rule with when: { localPort }',
    );
  return ours;
}
