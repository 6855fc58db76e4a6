import type { Operator } from '../syntax/tree.js';
import { failAt, fileAndLine, stopAt, type Place } from '../syntax/source.js';
import { conditionKey, newBlock, type Block, type ConditionText } from './blocks.js';

/** lighttpd allows 4096 conditions; our check of each regular expression for backtracking takes time. */
const MAX_CONDITIONS = 1000;

/** Builds the blocks of a configuration. Refuses an order of conditions that a tree of rules can't express. */
export class BlockTree {
  readonly root: Block;
  #latest: Block;
  #conditions = 0;

  constructor(root: Block) {
    this.root = root;
    this.#latest = root;
  }

  /** The block of a condition inside `parent`: a new block, or the block that the condition continues. */
  enter(parent: Block, place: Place, condition: ConditionText | undefined): Block {
    const key = conditionKey(condition);
    const known = parent.known.get(key);
    // lighttpd would apply the second block wherever the first block's condition holds.
    if (known?.condition && known.condition.text !== condition?.text)
      failAt(
        place,
        `to lighttpd this condition is the one in ${fileAndLine(known)}, which differs in upper and lower case only: join the two blocks`,
      );
    if (known) return known;
    this.#checkOrder(parent, place);
    const block = this.#create(parent, place, condition, key);
    parent.children.push(block);
    return block;
  }

  /** The block of an `else` after the block `before`; without a condition it is the last branch. */
  otherwise(before: Block, place: Place, condition: ConditionText | undefined): Block {
    const parent = before.parent ?? before;
    const { condition: last } = before;
    if (!last) return failAt(place, 'no branch can follow an else without a condition');
    // lighttpd stores a bare else as the negated condition, and would find that key again.
    const key = condition
      ? conditionKey(condition)
      : conditionKey({ ...last, operator: OPPOSITE[last.operator] });
    if (before.next || parent.known.has(key))
      failAt(place, 'this branch repeats an earlier condition or else: join the two blocks');
    this.#checkOrder(before, place);
    const block = this.#create(parent, place, condition, key);
    before.next = block;
    return block;
  }

  #create(parent: Block, place: Place, condition: ConditionText | undefined, key: string): Block {
    if (++this.#conditions > MAX_CONDITIONS)
      stopAt(place, `the configuration has more than ${MAX_CONDITIONS} conditions`);
    const block = newBlock(place, parent, condition);
    parent.known.set(key, block);
    this.#latest = block;
    return block;
  }

  /**
   * lighttpd applies conditions in the order of their first appearance. Suppose a block is continued after other blocks: lighttpd
   * would apply a new condition inside it after those blocks. A tree of rules can't express such an order.
   */
  #checkOrder(block: Block, place: Place): void {
    let one: Block | undefined = this.#latest;
    while (one && one !== block) one = one.parent;
    if (!one)
      failAt(
        place,
        `this new condition is inside a block that continues the one in ${fileAndLine(block)}: join the two blocks`,
      );
  }
}

const OPPOSITE: Readonly<Record<Operator, string>> = {
  '==': '!=',
  '!=': '==',
  '=~': '!~',
  '!~': '=~',
  '=^': '!^',
  '=$': '!$',
};
