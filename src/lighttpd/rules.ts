import type { Rule } from '../types.js';
import type { Block } from './blocks.js';
import { readCondition } from './conditions.js';
import { contentsOf, readDirectives } from './directives.js';
import { failAt } from './source.js';

/** The conditions inside a block as rules, in their order. */
export function rulesOf(block: Block, ignore: readonly string[]): Rule[] {
  return block.children.map((child) => ruleOf(child, ignore)).filter((rule) => rule !== undefined);
}

/** A condition with what follows its `else`. From the last branch on, since each holds the next. */
function ruleOf(first: Block, ignore: readonly string[]): Rule | undefined {
  const branches: Block[] = [];
  for (let one: Block | undefined = first; one; one = one.next) branches.push(one);
  return branches.reduceRight<Rule | undefined>((otherwise, block) => {
    const rules = rulesOf(block, ignore);
    const rule: Rule = {
      ...readDirectives(block, ignore),
      ...(rules.length > 0 ? { rules } : {}),
      ...(otherwise ? { else: otherwise } : {}),
    };
    const { ours, foreign } = contentsOf(block);
    // Nobody asks whether a condition around other modules' directives alone could be ours.
    if (!ours && foreign) return undefined;
    const { condition } = block;
    if (condition?.object === 'SERVER') {
      checkSocket(block, ours);
      return undefined;
    }
    const head = condition ? readCondition(condition) : {};
    return Object.keys(rule).length === 0 ? undefined : { ...head, ...rule };
  }, undefined);
}

function checkSocket({ condition, source, offset }: Block, ours: boolean): void {
  if (condition?.field !== 'socket') failAt({ source, offset }, '$SERVER has only the field "socket"');
  if (ours)
    failAt(
      { source, offset },
      'a middleware does not know on which socket a request came: make a tunnel and a server of their own for what stands in here',
    );
}
