import type { Rule } from '../../types.js';
import type { Block } from '../evaluate/blocks.js';
import { ruleHeadOf } from '../conditions/request-condition.js';
import { contentsOf, readDirectives, type ReadingContext } from './read-directives.js';
import { failAt } from '../syntax/source.js';

/** The conditions inside a block as rules, in their order. */
export function rulesOf(block: Block, how: ReadingContext): Rule[] {
  return block.children.map((child) => ruleOf(child, how)).filter((rule) => rule !== undefined);
}

/** A condition with what follows its `else`. From the last branch on, since each holds the next. */
function ruleOf(first: Block, how: ReadingContext): Rule | undefined {
  const branches: Block[] = [];
  for (let one: Block | undefined = first; one; one = one.next) branches.push(one);
  return branches.reduceRight<Rule | undefined>((otherwise, block) => {
    const rules = rulesOf(block, how);
    const rule: Rule = {
      ...readDirectives(block, how),
      ...(rules.length > 0 ? { rules } : {}),
      ...(otherwise ? { else: otherwise } : {}),
    };
    const { ours, foreign } = contentsOf(block, how.reader);
    // Nobody asks whether a condition around other modules' directives alone could be ours.
    if (!ours && foreign) return undefined;
    const { condition } = block;
    if (condition?.object === 'SERVER' && !how.problems.try(() => checkSocket(block, ours, how)))
      return undefined;
    const head = condition ? how.problems.try(() => ruleHeadOf(condition, how.notation)) : {};
    return Object.keys(rule).length === 0 ? undefined : { ...head, ...rule };
  }, undefined);
}

/** Can what stands in the block be a rule? */
function checkSocket(
  { condition, source, offset }: Block,
  ours: boolean,
  { reader }: ReadingContext,
): boolean {
  if (condition?.field !== 'socket') failAt({ source, offset }, '$SERVER has only the field "socket"');
  if (ours && reader === 'app')
    failAt(
      { source, offset },
      'a middleware does not know on which socket a request came: make a tunnel and a server of their own for what stands in here, ' +
        'or write it as a rule with when: { localPort }',
    );
  return ours;
}
